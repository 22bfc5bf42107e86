/**
 * Random numbers as a function of a position and a key, of 32-bit multiplications, shifts, adds and xors only, so that
 * every vector unit computes the same ones in any order. Dropout's masks are made of them.
 * Not here: where keys come from. Their words should themselves be random (philox of seed, layer and draw): keys that
 * differ by a few bits only would give streams that are reorderings of each other.
 *
 *   mix(h):  h ^= h >>> 16;  h *= 0x21f0aaad;  h ^= h >>> 15;  h *= 0xd35a2d97;  h ^= h >>> 15
 *   hash32 = mix(mix(position + key0) ^ key1)          all modulo 2^32
 *   uniform24 = (hash32 >>> 8) · 2^-24                 in [0, 1), exact in float32
 *
 * mix is a bijection; its constants were found by search for the least bias (C. Wellons, "hash-prospector", 2018).
 */

export const HASH_FACTOR_1 = 0x21f0aaad
export const HASH_FACTOR_2 = 0xd35a2d97

function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), HASH_FACTOR_1)
  h = Math.imul(h ^ (h >>> 15), HASH_FACTOR_2)
  return h ^ (h >>> 15)
}

/** 32 random bits as an unsigned integer. position and key words: integers, taken modulo 2^32. */
export function hash32(position: number, key0: number, key1: number): number {
  return mix(mix((position + key0) | 0) ^ key1) >>> 0
}

/** A uniform number of [0, 1) with 24 random bits. */
export const uniform24 = (position: number, key0: number, key1: number): number =>
  (hash32(position, key0, key1) >>> 8) * 2 ** -24
