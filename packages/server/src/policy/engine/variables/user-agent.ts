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
  name: value('string', 'of the browser or program', ({ text }) => readingOf(text).browser.name ?? ''),
  version: value('string', 'of the browser or program', ({ text }) => readingOf(text).browser.version ?? ''),
  os: value('string', 'name of the system', ({ text }) => readingOf(text).os.name ?? ''),
  os_version: value('string', 'of the system', ({ text }) => readingOf(text).os.version ?? ''),
  device: value('string', 'maker and model', ({ text }) => deviceOf(readingOf(text))),
  url: value('string', 'the address that a crawler gives', ({ text }) => readingOf(text).url),
  is_mobile: value('bool', '', ({ text }) => readingOf(text).platform.type === 'mobile'),
  is_tablet: value('bool', '', ({ text }) => readingOf(text).platform.type === 'tablet'),
  is_desktop: value('bool', '', ({ text }) => readingOf(text).platform.type === 'desktop'),
  is_bot: value('bool', 'crawlers and programs', ({ text }) => readingOf(text).isBot),
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
  const [, url = ''] = /\+?(https?:\/\/[^\s;,)]+)/.exec(text) ?? []
  const reading: Reading = { browser, os, platform, isBot: isbot(text), url }
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  remembered.set(text, reading)
  return reading
}

function deviceOf({ platform }: Reading): string {
  return [platform.vendor, platform.model].filter((word) => word !== undefined).join(' ')
}
