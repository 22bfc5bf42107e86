#!/usr/bin/env node
/** The command line's entrance: runs a command, and turns errors into one line and an exit code. */
import { CommanderError } from 'commander'
import { LenetError, UsageError, messageOf, isError } from '../base/index.js'
import { oneLine } from './output.js'
import { Stopped } from './signals.js'

function explain(error: unknown): { line: string; code: number } {
  if (error instanceof Stopped) return { line: error.message, code: error.exitCode }
  if (error instanceof UsageError) return { line: error.message, code: 2 }
  if (error instanceof LenetError) return { line: error.message, code: 1 }
  if (error instanceof CommanderError && error.code === 'commander.help')
    return { line: 'give a command; lenet --help lists them', code: 2 }
  if (error instanceof CommanderError) return { line: error.message.replace(/^error: /, ''), code: 2 }
  return {
    line: `unexpected error: ${messageOf(error)} (LENET_DEBUG=1 shows where)`,
    code: 1,
  }
}

/** A reader that went away (`lenet … | head`) is no error. */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })

try {
  await import('../base/nodeVersion.node.js')
  const { createProgram } = await import('./program.js')
  await createProgram().parseAsync()
} catch (error) {
  const helped = error instanceof CommanderError && error.exitCode === 0
  if (!helped) {
    const { line, code } = explain(error)
    process.exitCode = code
    process.stderr.write(`lenet: ${oneLine(line)}\n`)
    if (process.env['LENET_DEBUG'] === '1' && isError(error)) process.stderr.write(`${error.stack}\n`)
  }
}
