// Reads one cookie and allocates next to nothing. Pure: no I/O, no clock.

/** The value of one cookie in a Cookie header, the first where there are several. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    const value = at + name.length
    if (header.charCodeAt(value) !== 0x3d /* = */) continue
    if (at > 0 && !isBoundary(header.charCodeAt(at - 1))) continue
    const end = header.indexOf(';', value)
    return header.slice(value + 1, end === -1 ? undefined : end).trim()
  }
  return undefined
}

function isBoundary(unit: number): boolean {
  return unit === 0x20 || unit === 0x3b // space or ;
}
