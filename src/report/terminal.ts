/** What a terminal can show, told from its environment alone (nothing is asked of it). Not here: the pictures themselves. */

/** What matters of a stream and its process; the cli fills it in. */
export interface Terminal {
  /** Is it a terminal at all? A pipe, a file or CI's log is not. */
  readonly isTTY: boolean
  /** Width in characters. Default: 80. */
  readonly columns?: number
  /** The process's environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** 'none': no colours. */
export type ColourDepth = 'truecolor' | '256' | 'none'
/** 'kitty' and 'iterm' are protocols for real pictures; the next two coloured half-blocks; 'none': no picture. */
export type PictureWay = 'kitty' | 'iterm' | 'truecolor' | '256' | 'none'

const KITTY_PROGRAMS: readonly string[] = ['ghostty', 'kitty']
const ITERM_PROGRAMS: readonly string[] = ['iTerm.app', 'WezTerm', 'mintty']
const TRUECOLOR_PROGRAMS: readonly string[] = ['vscode', 'Hyper', ...KITTY_PROGRAMS, ...ITERM_PROGRAMS]

/** Follows NO_COLOR (https://no-color.org), COLORTERM and TERM. */
export function colourDepth({ isTTY, env }: Terminal): ColourDepth {
  const term = env['TERM'] ?? ''
  if (!isTTY || (env['NO_COLOR'] ?? '') !== '' || term === 'dumb') return 'none'
  if (/^(?:truecolor|24bit)$/i.test(env['COLORTERM'] ?? '')) return 'truecolor'
  if (TRUECOLOR_PROGRAMS.includes(env['TERM_PROGRAM'] ?? '') || env['WT_SESSION'] !== undefined) return 'truecolor'
  if (/-(?:direct|truecolor)$|kitty|ghostty/.test(term)) return 'truecolor'
  return term.includes('256color') ? '256' : 'none'
}

/** tmux and screen swallow the protocols for pictures, so inside them only half-blocks are offered. */
function isMultiplexed(env: Terminal['env']): boolean {
  return (env['TMUX'] ?? '') !== '' || /^(?:screen|tmux)/.test(env['TERM'] ?? '')
}

/** The best way to show a picture there. */
export function pictureWay(terminal: Terminal): PictureWay {
  const { env } = terminal
  const colours = colourDepth(terminal)
  if (!terminal.isTTY || env['TERM'] === 'dumb') return 'none'
  if (isMultiplexed(env)) return colours
  const program = env['TERM_PROGRAM'] ?? ''
  const isKitty = (env['KITTY_WINDOW_ID'] ?? '') !== '' || /kitty|ghostty/.test(env['TERM'] ?? '')
  if (isKitty || KITTY_PROGRAMS.includes(program)) return 'kitty'
  if (ITERM_PROGRAMS.includes(program) || env['LC_TERMINAL'] === 'iTerm2') return 'iterm'
  return colours
}
