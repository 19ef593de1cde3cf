// The picture on every page, so it is small and embedded: the relay's pages load nothing. Its kind is known by its
// bytes, not its name; none of these kinds can hold a script. Pure: no I/O, no clock.

/** It is sent with every page, 404s of strangers included. */
export const LOGO_MAX_BYTES = 16 * 1024

const KINDS: readonly (readonly [type: string, isOne: (bytes: Buffer) => boolean])[] = [
  ['image/png', (bytes) => startsWith(bytes, '\x89PNG\r\n\x1a\n')],
  ['image/jpeg', (bytes) => startsWith(bytes, '\xff\xd8\xff')],
  ['image/gif', (bytes) => startsWith(bytes, 'GIF87a') || startsWith(bytes, 'GIF89a')],
  ['image/webp', (bytes) => startsWith(bytes, 'RIFF') && startsWith(bytes.subarray(8), 'WEBP')],
]

/** @returns a `data:` URL, or the end of a sentence with the file's problem */
export function logoUrl(bytes: Buffer): { url: string } | { problem: string } {
  if (bytes.length > LOGO_MAX_BYTES) {
    return {
      problem: `is larger than ${LOGO_MAX_BYTES / 1024} KiB, and would be sent with every page; make it smaller`,
    }
  }
  const type = KINDS.find(([, isOne]) => isOne(bytes))?.[0]
  if (type === undefined) {
    const isSvg = /<svg|<\?xml/i.test(bytes.toString('latin1', 0, 1024))
    const instead = isSvg ? 'an SVG may hold scripts; save it as PNG' : 'save it as PNG, JPEG, GIF or WebP'
    return { problem: `is none of the pictures that pages may show; ${instead}` }
  }
  return { url: `data:${type};base64,${bytes.toString('base64')}` }
}

function startsWith(bytes: Buffer, start: string): boolean {
  return bytes.toString('latin1', 0, start.length) === start
}
