/** Where the benchmark's files lie: scripts beside this one, the rest in bench/ of the package. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const benchFolder = new URL('../../../bench/', import.meta.url)

/** A compiled script of this room. */
export const scriptFile = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

/** A file of bench/. The package has those that users need; the peers are in a clone only. */
export const benchFile = (name: string): URL => new URL(name, benchFolder)

export const hasBenchFile = (name: string): boolean => existsSync(benchFile(name))
