/** What file formats ask of the platform, in Node: V8's switches. Not here: anything that a browser can do too. */
import { setFlagsFromString } from 'node:v8'

/**
 * Loads a module with WebAssembly in it, whose functions stay as V8's quick compiler makes them. Else the optimising
 * compiler takes thousands of them again in the background, and Node waits for that at the next reading or writing of a
 * file: half a second for h5wasm, which is done with a file in a tenth of it. The switch is put back for other modules.
 */
export async function compiledOnce<T>(load: () => Promise<T>): Promise<T> {
  setFlagsFromString('--no-wasm-tier-up')
  try {
    return await load()
  } finally {
    setFlagsFromString('--wasm-tier-up')
  }
}
