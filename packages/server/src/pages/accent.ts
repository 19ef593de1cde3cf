// Makes the operator's colour readable: darker on the light page, lighter on the dark one, by no more than needed.
// Pure: no I/O, no clock. Source: WCAG 2.2, "relative luminance" and 1.4.3 "Contrast (Minimum)".

type Rgb = readonly [red: number, green: number, blue: number]

/** The background of links and buttons: `--card` of PAGE_COLOURS, light and dark. */
export const CARDS = { light: '#fffefb', dark: '#1d2125' } as const

const CONTRAST_MIN = 4.5 // for text of any size
const STEPS = 50

/** @param hex `#rgb` or `#rrggbb`; @returns the colour for each scheme */
export function readableAccent(hex: string): { light: string; dark: string } {
  return { light: readableOn(CARDS.light, hex, [0, 0, 0]), dark: readableOn(CARDS.dark, hex, [255, 255, 255]) }
}

/** 1 to 21. */
export function contrast(a: string, b: string): number {
  const [darker = 0, lighter = 0] = [luminance(rgbOf(a)), luminance(rgbOf(b))].toSorted((x, y) => x - y)
  return (lighter + 0.05) / (darker + 0.05)
}

function readableOn(ground: string, hex: string, towards: Rgb): string {
  const chosen = rgbOf(hex)
  for (let step = 0; step < STEPS; step++) {
    const colour = hexOf(mix(chosen, towards, step / STEPS))
    if (contrast(colour, ground) >= CONTRAST_MIN) return colour
  }
  return hexOf(towards) // black on light and white on dark always are
}

function mix(from: Rgb, to: Rgb, part: number): Rgb {
  const channel = (index: 0 | 1 | 2): number => Math.round(from[index] + (to[index] - from[index]) * part)
  return [channel(0), channel(1), channel(2)]
}

function rgbOf(hex: string): Rgb {
  const digits = hex.slice(1)
  const long = digits.length === 3 ? digits.replaceAll(/./g, '$&$&') : digits
  const channel = (at: number): number => Number.parseInt(long.slice(at, at + 2), 16)
  return [channel(0), channel(2), channel(4)]
}

function hexOf(rgb: Rgb): string {
  return `#${rgb.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`
}

function luminance(rgb: Rgb): number {
  const [red = 0, green = 0, blue = 0] = rgb.map((channel) => {
    const part = channel / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
