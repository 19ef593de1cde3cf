// The fields of `req.user_agent`, by bowser and isbot. The header is parsed only when a field is read, and the result is cached:
// the visitors of an app use few browsers.

import Bowser from 'bowser'
import { isbot } from 'isbot'

import { defineRecord, value } from './record.ts'

export interface UserAgentFacts {
  readonly text: string
}

interface Reading {
  browser: { name?: string | undefined; version?: string | undefined }
  os: { name?: string | undefined; version?: string | undefined }
  platform: { type?: string | undefined; vendor?: string | undefined; model?: string | undefined }
  isBot: boolean
  url: string
}

export const USER_AGENT = defineRecord<UserAgentFacts>('sallyport.UserAgent', {
  name: value('string', 'the name of the browser or program', ({ text }) => readingOf(text).browser.name ?? ''),
  version: value(
    'string',
    'the version of the browser or program',
    ({ text }) => readingOf(text).browser.version ?? '',
  ),
  os: value('string', 'the name of the operating system', ({ text }) => readingOf(text).os.name ?? ''),
  os_version: value('string', 'the version of the operating system', ({ text }) => readingOf(text).os.version ?? ''),
  device: value('string', 'the maker and model of the device', ({ text }) => deviceOf(readingOf(text))),
  url: value('string', 'the URL that the header contains', ({ text }) => readingOf(text).url),
  is_mobile: value('bool', 'whether it is a phone', ({ text }) => readingOf(text).platform.type === 'mobile'),
  is_tablet: value('bool', 'whether it is a tablet', ({ text }) => readingOf(text).platform.type === 'tablet'),
  is_desktop: value('bool', 'whether it is a computer', ({ text }) => readingOf(text).platform.type === 'desktop'),
  is_bot: value('bool', 'whether it is a crawler or another program', ({ text }) => readingOf(text).isBot),
})

// These libraries apply many regular expressions of their own, so the text is cut to the length of a long user agent.
const READ_MAX_CHARS = 512
const REMEMBERED_MAX = 256
const remembered = new Map<string, Reading>()

function readingOf(whole: string): Reading {
  const text = whole.slice(0, READ_MAX_CHARS)
  const known = remembered.get(text)
  if (known) return known
  const { browser, os, platform } = Bowser.parse(text === '' ? ' ' : text) // which refuses an empty text
  const [, url = ''] = /(https?:\/\/[^\s;,)]+)/.exec(text) ?? []
  const isBot = isbot(text)
  const reading: Reading = { browser: productOf(text, browser, isBot), os, platform, isBot, url }
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  remembered.set(text, reading)
  return reading
}

/**
 * A crawler gets the name that it writes, because bowser has names of its own. A program that bowser does not know
 * gets the name of its first product.
 */
function productOf(text: string, browser: Reading['browser'], isBot: boolean): Reading['browser'] {
  const written = isBot ? /([\w.-]{0,40}(?:bot|crawler|spider)[\w-]{0,40})\/(v?\d[\d.]{0,20})/i.exec(text) : undefined
  // RFC 9110 10.1.5: product identifiers, the most significant one first.
  const product = written ?? (browser.name ? undefined : /^([\w.-]{1,60})(?:\/([\w.]{1,20}))?/.exec(text))
  return product ? { name: product[1], version: product[2] } : browser
}

function deviceOf({ platform }: Reading): string {
  return [platform.vendor, platform.model].filter((word) => word !== undefined).join(' ')
}
