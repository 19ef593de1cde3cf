// The pages are true as far as a machine can check: links lead somewhere, configurations are accepted, commands and flags
// exist, and the tables of the protocol are those of the code.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

import { ProtocolError, decodeStreamHeader, encodeRefusal, toProtocolErrorCode } from '@sallyport/protocol'
import type { RefusalCode } from '@sallyport/protocol'
import { loadLanguage, parseConfig, redirectUri } from '@sallyport/server'

import { parseConfig as parseAgentConfig } from '../packages/agent/src/plan/config.ts'

const root = join(import.meta.dirname, '..')
const COMMANDS = { relay: 'packages/server/src/main.ts', agent: 'packages/agent/src/main.ts' }

/** The action by which CONTRIBUTING.md shows how one is added. */
const MADE_UP = /\bvisiting-hours\/|^(?:conn|req)\.ts$/ // of an example; variables of expressions

/** The required keys of relay.yml. */
const NEEDED: Readonly<Record<string, string>> = {
  domain: 'domain: example.com\n',
  public_url: 'public_url: https://relay.example.com\n',
  listen: 'listen: { http: 0.0.0.0:80 }\n',
  edges: 'edges:\n  - id: edg_docs\n    hosts: [docs.example.com]\n',
}
const SIGN_IN =
  '    policy:\n      on_http_request:\n        - actions:\n            - type: openid-connect\n              config:\n                issuer_url: https://login.example.com\n                client_id: sallyport\n'
/** The first keys of a policy in a separate file. */
const PHASES = new Set(['on_tcp_connect', 'on_http_request', 'on_http_response'])
const OF_EDGE = new Set(['routes', 'backend', 'policy'])
const OF_SIGN_IN = new Set(['allow', 'deny'])

/** A relay.yml around a fragment, which is recognised by its first key. */
function surround(fragment: string): string {
  const keys = [...fragment.matchAll(/^(\w+):/gm)].map(([, key = '']) => key)
  const whole = Object.values(NEEDED).join('')
  if (OF_EDGE.has(keys[0] ?? '')) return whole + indent(fragment, 4)
  if (PHASES.has(keys[0] ?? '')) return `${whole}    policy:\n${indent(fragment, 6)}`
  if (OF_SIGN_IN.has(keys[0] ?? '')) return whole + SIGN_IN + indent(fragment, 16)
  const missing = Object.entries(NEEDED).filter(([key]) => !keys.includes(key))
  return fragment + missing.map(([, text]) => text).join('')
}

function indent(text: string, spaces: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(spaces))
}

interface Fence {
  language: string
  text: string
}

const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).toSorted()
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8')

describe('documentation', () => {
  it('has found the pages', () => {
    for (const page of ['README.md', 'CONTRIBUTING.md', 'docs/protocol.md', 'docs/configuration.md']) {
      assert.ok(pages.includes(page), page)
    }
  })

  for (const page of pages) {
    it(`${page}: every relative link leads somewhere`, () => {
      assert.deepEqual(
        linksOf(textOf(page)).flatMap((link) => linkProblem(page, link) ?? []),
        [],
      )
    })
  }

  it('shows configurations that relay and agent accept, fragments included', async () => {
    await loadLanguage()
    const found = fencesOf('yaml')
    assert.ok(found.length >= 25, `${found.length} found`)
    for (const { page, text } of found) {
      const [key = ''] = text.split(':', 1)
      if (key === 'version') {
        assert.doesNotThrow(() => parseAgentConfig(text.replace('sp_…', 'sp_some'), 'agent.yml'), page)
        continue
      }
      const whole = surround(text)
      const names = [...text.matchAll(/\$\{(\w+)/g)].map((match) => match[1] ?? '')
      const env = Object.fromEntries(names.map((name) => [name, 'some-value']))
      assert.doesNotThrow(() => parseConfig(whole, { source: 'relay.yml', env }), page)
    }
  })

  it('shows commands and flags that exist', async () => {
    const inSentences = pages.flatMap((page) =>
      [...textOf(page).matchAll(/`([^`\n]+)`/g)].map((match) => ({ page, text: match[1] ?? '' })),
    )
    const invocations = [...fencesOf('sh'), ...inSentences].flatMap(({ page, text }) =>
      invocationsIn(text).map((words) => ({ page, words })),
    )
    assert.ok(invocations.length >= 20, `${invocations.length} found`)
    const problems = await Promise.all(
      invocations.map(async ({ page, words }) =>
        (await commandProblems(words)).map((problem) => `${page}: ${problem}`),
      ),
    )
    assert.deepEqual(problems.flat(), [])
  })

  it('shows npm scripts that exist', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> } // our own file
    const shown = pages.flatMap((page) =>
      [...textOf(page).matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? ''),
    )
    assert.ok(shown.length > 0)
    assert.deepEqual(
      shown.filter((name) => !Object.hasOwn(scripts, name)),
      [],
    )
  })

  it('S1: shows the redirect URIs of the issuers that it mentions', () => {
    const shown = pages
      .filter((page) => page !== 'CHANGELOG.md')
      .flatMap((page) =>
        [...textOf(page).matchAll(/https:\/\/relay\.example\.com\/oidc\/callback(?:\/[\w.-]*)?/g)].map(([uri]) => ({
          page,
          uri,
        })),
      )
    assert.ok(shown.length >= 15, `${shown.length} found`)
    for (const { page, uri } of shown.filter(({ uri: one }) => !one.endsWith('/callback/'))) {
      const issuers = [...textOf(page).matchAll(/https:\/\/[^\s`'",)]+/g)].map(([url]) => url)
      assert.ok(
        issuers.some((issuer) => URL.canParse(issuer) && redirectUri('https://relay.example.com', issuer) === uri),
        `${page}: ${uri}`,
      )
    }
  })

  it('names no source file that does not exist, nor do comments (the house, 9)', () => {
    const files = globSync(['packages/*/src', 'test', 'bench', 'scripts', 'examples'], { cwd: root })
      .flatMap((folder) => globSync(`${folder}/**/*.{ts,mjs}`, { cwd: root }))
      .filter((file) => !file.includes('node_modules'))
    const isThere = (name: string): boolean =>
      files.some((file) => `/${file}`.endsWith(`/${name.replace(/^[./]+/, '')}`))
    const commentsOf = (file: string): string => (textOf(file).match(/\/\/.*|\/\*[^]*?\*\//g) ?? []).join('\n')
    const missing = [...pages, ...files].flatMap((file) => {
      const text = file.endsWith('.md') ? textOf(file) : commentsOf(file)
      const names = [...text.matchAll(/(?<![\w/.*-])[\w./-]*[\w-](?<!\.d)\.(?:ts|mjs)\b/g)].map(([name]) => name)
      return names.filter((name) => !isThere(name) && !MADE_UP.test(name)).map((name) => `${file}: ${name}`)
    })
    assert.deepEqual(missing, [])
  })

  it('names no machine and no registry', () => {
    const strangers = /\/(?:work|home|tmp|root)\/|registry\.|artifactory/i
    assert.deepEqual(
      pages.filter((page) => strangers.test(textOf(page))),
      [],
    )
  })
})

describe('docs/security.md and docs/behind-a-proxy.md', () => {
  it('names tests that exist, each by an end of its path that no other has', () => {
    const tests = globSync(['packages/*/src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'], { cwd: root })
    const named = [
      ...`${textOf('docs/security.md')}${textOf('docs/behind-a-proxy.md')}`.matchAll(/[\w./-]+\.test\.ts/g),
    ].map(([name]) => name.replace(/^(?:\.\.\/)+/, ''))
    assert.ok(named.length >= 50, `${named.length} found`)
    const problems = named.flatMap((name) => {
      const found = tests.filter((test) => `/${test}`.endsWith(`/${name}`))
      return found.length === 1 ? [] : [`${name} is ${found.length === 0 ? 'no test' : found.join(' or ')}`]
    })
    assert.deepEqual(problems, [])
  })
})

describe('docs/protocol.md', () => {
  const protocol = textOf('docs/protocol.md')

  it('has all close codes of the code', () => {
    const source = textOf('packages/protocol/src/process/errors.ts')
    const codes = [...source.matchAll(/^ {2}(\w+): \{ closeCode/gm)].map((match) => toProtocolErrorCode(match[1] ?? ''))
    const expected = codes.map((code) => {
      const { closeCode, retryable } = new ProtocolError(code)
      return [code, String(closeCode), retryable ? 'yes' : 'no']
    })
    const rows = [...protocol.matchAll(/^\| `(\w+)` +\| +(\d{4}) +\| (yes|no) +\|/gm)]
    assert.ok(expected.length > 10)
    assert.deepEqual(
      rows.map(([, ...cells]) => cells),
      expected,
    )
  })

  it('has the refusal codes of the stream reply', () => {
    const rows = [...protocol.matchAll(/^\| (\d) +\| `(\w+)` +\|/gm)]
    assert.equal(rows.length, 6)
    for (const [, number, name] of rows) assert.equal(encodeRefusal(name as RefusalCode, '')[0], Number(number)) // a wrong name gives another number
  })

  it('has a stream header that decodes as it says', () => {
    const bytes = Buffer.from(/```hex\n([\da-f \n]+)```/.exec(protocol)?.[1]?.replaceAll(/\s/g, '') ?? '', 'hex')
    assert.deepEqual(decodeStreamHeader(bytes), {
      header: { tunnelId: 1, visitor: '203.0.113.7', protocol: 'http1' },
      length: bytes.length,
    })
  })
})

// ── links ────────────────────────────────────────────────────────────────────────────────────────

function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, '')
  const links = [...prose.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
  links.push(...[...prose.matchAll(/\b(?:src|srcset)="([^"]+)"/g)].map((match) => match[1] ?? ''))
  return links.filter((link) => !/^[a-z]+:/.test(link))
}

function linkProblem(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : relative(root, join(root, dirname(page), path))
  if (target.startsWith('..')) return `${link} leads out of the repository`
  if (!existsSync(join(root, target))) return `${link} leads nowhere`
  if (anchor === undefined) return undefined
  return anchorsOf(textOf(target)).has(anchor) ? undefined : `${link}: ${target} has no such heading`
}

/** Headings as GitHub makes anchors of them: lower case, punctuation dropped, spaces to hyphens, repeats numbered. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>()
  const prose = markdown.replaceAll(/^```.*?^```/gms, '')
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = plain.replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-')
    let unique = anchor
    for (let repeat = 1; anchors.has(unique); repeat++) unique = `${anchor}-${repeat}`
    anchors.add(unique)
  }
  return anchors
}

// ── code blocks ──────────────────────────────────────────────────────────────────────────────────

function fencesOf(language: string): (Fence & { page: string })[] {
  return pages.flatMap((page) =>
    [...textOf(page).matchAll(/^```(\w*)\n(.*?)^```/gms)]
      .map(([, found = '', text = '']) => ({ page, language: found, text }))
      .filter((fence) => fence.language === language),
  )
}

/** The words of every `relay …` and `agent …` in a shell text. Quoted spaces do not matter here. */
function invocationsIn(shell: string): string[][] {
  const lines = shell.replaceAll('\\\n', ' ').split('\n')
  return (
    lines
      .flatMap((line) => line.replace(/(?:^|\s)#.*$/, '').split(/\||&&|;|\$\(/))
      .map((command) => command.trim().split(/\s+/))
      .map((words) => {
        const first = words.findIndex((word) => !/^(?:\w+=.*|npx|--no|sudo|exec)$/.test(word))
        return first === -1 ? [] : words.slice(first)
      })
      // `sallyport` is the agent, and behind `relay` the relay.
      .map((words) =>
        words[0] !== 'sallyport' ? words : words[1] === 'relay' ? words.slice(1) : ['agent', ...words.slice(1)],
      )
      .filter(([name = '']) => Object.hasOwn(COMMANDS, name))
  )
}

/** Walks down the subcommands as far as the help knows them, then looks for every flag. */
async function commandProblems([name = '', ...rest]: string[]): Promise<string[]> {
  const path: string[] = []
  let help = await helpOf(name, path)
  for (const word of rest) {
    if (word.startsWith('-') || word === '…' || help.commands.size === 0) break
    if (!help.commands.has(word)) return [`there is no "${[name, ...path, word].join(' ')}"`]
    path.push(word)
    help = await helpOf(name, path)
  }
  return rest
    .filter((word) => word.startsWith('--'))
    .map((word) => word.replace(/=.*$/, ''))
    .filter((flag) => !help.flags.has(flag))
    .map((flag) => `"${[name, ...path].join(' ')}" has no ${flag}`)
}

interface Help {
  commands: Set<string>
  flags: Set<string>
}

const helps = new Map<string, Promise<Help>>()

function helpOf(name: string, path: readonly string[]): Promise<Help> {
  const key = [name, ...path].join(' ')
  let help = helps.get(key)
  if (!help) helps.set(key, (help = askForHelp(name, path)))
  return help
}

async function askForHelp(name: string, path: readonly string[]): Promise<Help> {
  const main = COMMANDS[name as keyof typeof COMMANDS] // invocationsIn() lets only these through
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, main), ...path, '--help'], {
    env: { ...process.env, NO_COLOR: '1' },
  })
  const section = (title: string): string => new RegExp(`^${title}:\\n((?: +.*\\n)*)`, 'm').exec(stdout)?.[1] ?? ''
  return {
    commands: new Set([...section('Commands').matchAll(/^ {2}(\w[\w-]*)/gm)].map((match) => match[1] ?? '')),
    // Several names in one group.
    flags: new Set([...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map((match) => match[1] ?? '')),
  }
}
