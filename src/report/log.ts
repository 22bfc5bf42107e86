/** Log lines as Python's logging writes them with the article's format. Not here: where they go and which are silenced. */

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'

/**
 * Python's `%(asctime)s`: local time with milliseconds after a comma.
 * @returns '2026-11-24 07:54:39,123'
 */
export function logTime(date: Date): string {
  const digits = (n: number, width = 2): string => String(n).padStart(width, '0')
  const day = `${digits(date.getFullYear(), 4)}-${digits(date.getMonth() + 1)}-${digits(date.getDate())}`
  const time = `${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}`
  return `${day} ${time},${digits(date.getMilliseconds(), 3)}`
}

/**
 * One line of `logging.basicConfig(format='%(asctime)s: %(levelname)s: %(message)s')`.
 * @returns '2026-11-24 07:54:39,123: INFO: start …', without a line end
 */
export function logLine(level: LogLevel, message: string, date: Date): string {
  return `${logTime(date)}: ${level}: ${message}`
}
