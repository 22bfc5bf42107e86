/**
 * Which Node this is, asked before anything else: an old one fails later, in the middle, for reasons that help nobody.
 * Loading this file asks; the library's doors and the command line load it first.
 * Not here: what a newer one offers (device probes).
 */
import { LenetError } from './errors.js'

/** As package.json's `engines` says. */
const oldest = [20, 19] as const

/** @throws LenetError on a Node older than 20.19. */
export function requireNode(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return
  throw new LenetError(
    `lenet needs Node ${oldest.join('.')} or newer, and this is Node ${version}: install a newer one`,
  )
}

requireNode()
