// The visitor's device in a few words by which an operator can recognise it. Pure: no I/O, no clock.

const MAX_READ = 512
const MAX_UNKNOWN = 40

// The first match: most browsers also name the browsers that they descend from.
const BROWSERS: readonly [name: string, version: RegExp][] = [
  ['Edge', /\bEdg(?:A|iOS)?\/(\d{1,4})/],
  ['Opera', /\bOPR\/(\d{1,4})/],
  ['Samsung Internet', /\bSamsungBrowser\/(\d{1,4})/],
  ['Firefox', /\b(?:Firefox|FxiOS)\/(\d{1,4})/],
  ['Chrome', /\b(?:HeadlessChrome|Chrome|CriOS)\/(\d{1,4})/],
  ['Safari', /\bVersion\/(\d{1,4})[\d.]* (?:Mobile\/\w+ )?Safari\//],
]
const SYSTEMS: readonly [name: string, sign: RegExp][] = [
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Android', /\bAndroid\b/],
  ['Windows', /\bWindows NT\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['macOS', /\bMacintosh\b/],
  ['Linux', /\bLinux\b|\bX11\b/],
]

/** For example `Firefox 140 on Linux`, `curl/8.5.0`; undefined without a User-Agent. */
export function deviceOf(userAgent: string | undefined): string | undefined {
  const text = userAgent?.slice(0, MAX_READ).trim()
  if (!text) return undefined
  const system = SYSTEMS.find(([, sign]) => sign.test(text))?.[0]
  for (const [name, pattern] of BROWSERS) {
    const version = pattern.exec(text)?.[1]
    if (version !== undefined) return system === undefined ? `${name} ${version}` : `${name} ${version} on ${system}`
  }
  if (system !== undefined) return system
  const product = text
    .split(' ', 1)[0]
    ?.replace(/[^\x21-\x7e]/g, '')
    .slice(0, MAX_UNKNOWN)
  return product || undefined
}
