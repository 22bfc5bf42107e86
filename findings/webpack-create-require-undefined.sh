#!/usr/bin/env bash
# webpack 5.113.0, target 'node': `createRequire(x)(name)`, imported by name from node:module, with a name that is known
# only when the program runs, is bundled as a call of undefined. webpack warns of it, builds, and the program throws. The
# same through the module's default import, `module.createRequire(x)(name)`, is left as it is and works.
#
# Expected: what webpack cannot resolve stays for Node to resolve, by either spelling.
# Seen: "undefined is not a function" (or its like) by the first, 'function' by the second.
#
# Takes half a minute in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{ "private": true, "type": "module" }\n' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts webpack@5.113.0 webpack-cli@7.3.1
cat >named.js <<'JS'
import { createRequire } from 'node:module'
const load = (name) => createRequire(process.execPath)(name)
console.log('by name:', typeof load(process.argv[2]).join)
JS
cat >whole.js <<'JS'
import module from 'node:module'
const load = (name) => module.createRequire(process.execPath)(name)
console.log('by the whole module:', typeof load(process.argv[2]).join)
JS
cat >webpack.config.js <<'JS'
export default {
  entry: { named: './named.js', whole: './whole.js' },
  target: 'node',
  mode: 'development',
  devtool: false,
  output: { filename: '[name].mjs', module: true, chunkFormat: 'module' },
  experiments: { outputModule: true },
}
JS
echo "unbundled: $(node named.js node:path); $(node whole.js node:path)"
npx webpack --stats=errors-only
named=$(node dist/named.mjs node:path 2>&1 || true)
whole=$(node dist/whole.mjs node:path 2>&1 || true)
echo "webpack 5.113.0: $(grep -n 'undefined(name)' dist/named.mjs || true)"
echo "bundled: $(grep -m1 -E 'Error|by name' <<<"$named"); $(grep -m1 -E 'Error|by the whole' <<<"$whole")"
grep -q 'TypeError' <<<"$named" && grep -q 'by the whole module: function' <<<"$whole"
