/**
 * The two errors that users see. Every other thrown error is a bug of ours.
 * Not here: how they are printed and which exit code they give (src/cli).
 */

/** Something given to us cannot be used: a file, a shape, a value. The message names what, where and what to do. Exit code 1. */
export class LenetError extends Error {
  override name = 'LenetError'
}

/** The command or call itself is wrong (unknown option, model, device; a part that is not built yet). Exit code 2. */
export class UsageError extends LenetError {
  override name = 'UsageError'
}
