/** A name out of a file, fit for one line of an error: at most 100 characters, control characters escaped. */
export function shownName(name: string): string {
  const shown = name.length <= 100 ? name : `${name.slice(0, 100)}…`
  return shown.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
