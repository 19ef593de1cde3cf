// The floor plan of shared/DESIGN.md, checked from the import lines: imports point down or right, never back.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '..')

/** Rooms of the server in the order a request walks; a room may import from those behind it. */
const WALK = [
  ['cli'],
  ['workers'],
  ['server'],
  ['admin'],
  ['operator'],
  ['listener'],
  ['edge'],
  ['policy'],
  ['backend', 'forward'],
  ['node'],
  ['tunnel'],
  ['exchange'],
  ['pages'],
  ['store'],
  ['keys'],
  ['config'],
]
const GROUND = new Set(['config', 'error-codes', 'errors', 'log', 'log-for-people', 'version', 'keys', 'texts'])

interface Import {
  from: string
  to: string
}

function importsOf(folder: string): Import[] {
  return globSync(`${folder}/**/*.ts`, { cwd: root }).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    const lines = /^(?:import|export)\b[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm
    return [...text.matchAll(lines)].map((match) => ({ from: file, to: match[1] ?? match[2] ?? match[3] ?? '' }))
  })
}

/** `packages/server/src/policy/oidc/x.ts` → `policy`. */
function roomOf(path: string): string {
  const [first = ''] = relative(join(root, 'packages/server/src'), join(root, path)).split(sep)
  return first.replace(/\.ts$/, '')
}

function rankOf(room: string): number {
  return WALK.findIndex((rooms) => rooms.includes(room))
}

const resolved = ({ from, to }: Import): string => relative(root, join(root, dirname(from), to))
const isTest = (file: string): boolean => /\.test(?:-support)?\.ts$/.test(file) || file.includes('/fixtures/')

/** Each circle as the way around it. */
function circlesIn(importedBy: (file: string) => string[], files: string[]): string[] {
  const done = new Set<string>()
  const way: string[] = []
  const circles: string[] = []
  const walk = (file: string): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' ▶ '))
    if (way.includes(file) || done.has(file)) return
    way.push(file)
    importedBy(file).forEach(walk)
    way.pop()
    done.add(file)
  }
  files.forEach(walk)
  return circles
}

describe('floor plan', () => {
  const server = importsOf('packages/server/src').filter(({ from }) => !isTest(from))
  const inside = server.filter(({ to }) => to.startsWith('.'))

  it('has found the imports', () => assert.ok(server.length > 100))

  it('knows every room of the server', () => {
    const unknown = inside
      .map(({ from }) => roomOf(from))
      .filter((room) => rankOf(room) === -1 && !GROUND.has(room) && room !== 'main')
    assert.deepEqual([...new Set(unknown)], [])
  })

  it('lets imports point forward only', () => {
    const back = inside.filter((line) => {
      const [from, to] = [roomOf(line.from), roomOf(resolved(line))]
      if (from === to || from === 'main' || GROUND.has(to)) return false
      return GROUND.has(from) || rankOf(to) < rankOf(from)
    })
    assert.deepEqual(
      back.map(({ from, to }) => `${from} imports ${to}`),
      [],
    )
  })

  it('keeps the ground floor to itself', () => {
    const up = inside.filter((line) => GROUND.has(roomOf(line.from)) && !GROUND.has(roomOf(resolved(line))))
    assert.deepEqual(
      up.map(({ from, to }) => `${from} imports ${to}`),
      [],
    )
  })

  it('draws no circle of files, types included', () => {
    const sources = ['server', 'agent', 'protocol'].flatMap((name) => importsOf(`packages/${name}/src`))
    const lines = sources.filter(({ from, to }) => !isTest(from) && to.startsWith('.'))
    const behind = Map.groupBy(lines, ({ from }) => from)
    assert.deepEqual(
      circlesIn((file) => (behind.get(file) ?? []).map(resolved), [...behind.keys()]),
      [],
    )
  })

  it('keeps policies apart from each other', () => {
    const crossing = inside.filter((line) => {
      const from = line.from.split(sep).slice(4)
      const to = resolved(line).split(sep).slice(4)
      const shared = [
        'action.ts',
        'compose.ts',
        'credentials.ts',
        'identity-key-schedule.ts',
        'identity-tokens.ts',
        'service-tokens.ts',
        'signed-identity.ts',
        'under-way.ts',
      ]
      if (roomOf(line.from) !== 'policy' || roomOf(resolved(line)) !== 'policy') return false
      if (from[0] === 'build-policy.ts' || shared.includes(to[0] ?? '')) return false
      return from[0] !== to[0]
    })
    assert.deepEqual(
      crossing.map(({ from, to }) => `${from} imports ${to}`),
      [],
    )
  })

  it('lets only policy/oidc know openid-client and jose', () => {
    const strangers = server.filter(
      ({ from, to }) => /^(?:openid-client|jose)\b/.test(to) && !from.includes(join('policy', 'oidc')),
    )
    assert.deepEqual(strangers, [])
  })

  it('lets agent and server meet only in tests', () => {
    const agent = importsOf('packages/agent/src').filter(({ to }) => to.includes('server'))
    const protocol = importsOf('packages/protocol/src').filter(({ to }) =>
      /@sallyport\/|packages\/(?:server|agent)/.test(to),
    )
    assert.deepEqual(
      agent.filter(({ to }) => to.startsWith('@sallyport/server')),
      [],
    )
    assert.deepEqual(
      server.filter(({ to }) => to.startsWith('@sallyport/agent')),
      [],
    )
    assert.deepEqual(protocol, [])
  })

  it('takes nothing but types from node:http itself, which brings 13 MB along', () => {
    const sources = globSync('packages/{server,agent,protocol}/src/**/*.ts', { cwd: root }).filter(
      (file) => !isTest(file),
    )
    const values = sources.filter((file) =>
      /^(?:import|export) (?!type\b)[^'"]*? from 'node:http'/m.test(readFileSync(join(root, file), 'utf8')),
    )
    assert.deepEqual(values, [])
  })

  it('enters the protocol package by its one door, but for what runs before and beside it', () => {
    const behind = [...server, ...importsOf('packages/agent/src')].filter(
      ({ to }) =>
        to.startsWith('@sallyport/') &&
        !/^@sallyport\/protocol(\/config-error|\/make-folder|\/log-output|\/tune-v8|\/node-http|\/printable|\/signals|\/started-as|\/unforeseen)?$/.test(
          to,
        ),
    )
    assert.deepEqual(behind, [])
  })
})
