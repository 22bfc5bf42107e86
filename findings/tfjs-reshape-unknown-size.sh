#!/usr/bin/env bash
# TensorFlow.js 4.22.0: a Reshape layer with a -1 in its target shape cannot stand before a layer with weights, though all
# sizes of its input but the batch are known. The layer works the -1 out, as in Keras, when numbers flow, but not for the shape
# that the next layer is built with: that stays unknown as long as the batch is open, which it nearly always is. So a model
# of Keras with Reshape((-1,)) in it does not load.
#
# Expected: [null, 16] behind a reshape of 4 × 4 pictures to [-1], as in Keras, and a Dense layer behind it.
# Seen: [null, null], and "Tensor must have a shape comprised of positive integers" with the Dense layer; with [16]
# instead of [-1], or a batch of fixed size, it works.
#
# Takes a minute in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{ "private": true, "type": "module" }\n' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs@4.22.0
cat >reshape.js <<'JS'
import * as tf from '@tensorflow/tfjs'

function tried(size, targetShape, ...behind) {
  try {
    const model = tf.sequential({ layers: [tf.layers.reshape({ ...size, targetShape }), ...behind] })
    return `${JSON.stringify(model.outputs[0].shape)} ${model.predict(tf.ones([2, 4, 4])).shape}`
  } catch (error) {
    return error.message
  }
}
const open = { inputShape: [4, 4] }
const dense = () => tf.layers.dense({ units: 2 })
console.log(`TensorFlow.js ${tf.version.tfjs}`)
console.log(`[-1]: ${tried(open, [-1])}`)
console.log(`[-1], dense: ${tried(open, [-1], dense())}`)
console.log(`[16], dense: ${tried(open, [16], dense())}`)
console.log(`[-1], dense, batch of 2: ${tried({ batchInputShape: [2, 4, 4] }, [-1], dense())}`)
JS
said=$(node reshape.js)
echo "$said"
grep -qE '^\[-1\]: \[null,(null|-1)\] 2,16$' <<<"$said"
grep -q '^\[-1\], dense: Tensor must have a shape comprised of positive integers' <<<"$said"
grep -qxF '[16], dense: [null,2] 2,2' <<<"$said"
grep -qxF '[-1], dense, batch of 2: [2,2] 2,2' <<<"$said"
