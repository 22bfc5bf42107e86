/** A process of its own that fetches the small set from `FOLDER/data` into `FOLDER/cache`, for the test of several at once. */
import { join } from 'node:path'
import { fetchCifar10In } from '../../src/data/cifar10.node.js'
import { emptyWorld, makeSet } from './helpers.js'

const folder = process.argv[2] ?? ''
const world = emptyWorld(folder, makeSet(), { existing: [join(folder, 'data')] })
process.stdout.write((await fetchCifar10In(world)).folder)
