// The floor plan of shared/DESIGN.md, checked from the import lines: imports point down or right, never back.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '..')

/** A package: which imports are allowed. */
interface House {
  /** In the order of the walk: a room may import from later ones. */
  readonly walk: readonly (readonly string[])[]
  /** Every room may import from here, and it imports from no other. */
  readonly ground: readonly string[]
}

/** The half of `policy/` that says what may be written: kinds.ts, language.ts, and their imports from this folder. */
const KINDS = 'kinds of actions'
/** The parts of relay.yml, from the whole to the details: imports point forward here too. */
const WRITTEN = ['config', 'model', KINDS, 'values']

const HOUSES: Readonly<Record<'server' | 'agent' | 'protocol', House>> = {
  server: {
    walk: [
      ['main'],
      ['cli'],
      ['workers'],
      ['relay'],
      ['build'],
      ['admin'],
      ['operator'],
      ['listener'],
      ['edge'],
      ['policy'],
      ['oidc'],
      ['session', 'identity'],
      ['seal'],
      ['backend', 'forward'],
      ['node'],
      ['tunnel'],
      ['exchange'],
      ['pages'],
      ['store'],
    ],
    ground: [...WRITTEN, 'error-codes', 'errors', 'log', 'log-for-people', 'version', 'keys', 'texts'],
  },
  agent: {
    walk: [['sallyport'], ['main'], ['cli'], ['view'], ['agent'], ['relay'], ['plan'], ['app'], ['files']],
    ground: [
      'report',
      'agent-command',
      'agent-version',
      'bufferutil.d',
      'dial-address',
      'log',
      'log-words',
      'system-certificates',
    ],
  },
  protocol: { walk: [['protocol'], ['stream'], ['yamux'], ['control'], ['words']], ground: ['config', 'process'] },
}
const POLICY = join('packages', 'server', 'src', 'policy')
const ENGINE = 'engine' // the engine of expressions, which every action may use
/** Folders of `policy/` that are no actions, but shared by actions. */
const SHARED_BY_ACTIONS = new Set([ENGINE, 'headers', 'sources', 'urls'])
const FILES_MAX = 20 // in one folder, without tests
const LINES_MAX = 450 // of one file, without tests: each longer one so far did two jobs

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

/** `packages/server/src/policy/deny/deny.ts` → `policy`. */
function roomOf(path: string): string {
  if (kinds.has(path)) return KINDS
  return (path.split(sep)[3] ?? '').replace(/\.ts$/, '')
}

const resolved = ({ from, to }: Import): string => relative(root, join(root, dirname(from), to))
const isTest = (file: string): boolean => /\.test(?:-support)?\.ts$/.test(file) || file.includes('/fixtures/')

/** The files of a folder that one of them imports, by itself or through others of them. */
function reachedFrom(start: string, folder: string, lines: readonly Import[]): Set<string> {
  const found = new Set([start])
  for (const file of found) {
    const next = lines.filter(({ from, to }) => from === file && to.startsWith('.')).map(resolved)
    for (const target of next) if (target.startsWith(folder)) found.add(target)
  }
  return found
}

const kinds = new Set(
  ['kinds.ts', 'language.ts'].flatMap((file) => [
    ...reachedFrom(join(POLICY, file), POLICY, importsOf('packages/server/src/policy')),
  ]),
)

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

/** `forward   front ▶ http1, http2 ▶ transfer`, as docs/architecture.md draws it. */
function roomsInside(): { room: string; ranks: string[][] }[] {
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  return [...page.matchAll(/^(\w+) +(front ▶ .+)$/gm)].map(([, room = '', drawn = '']) => ({
    room,
    ranks: drawn.split(' ▶ ').map((rank) => rank.split(', ')),
  }))
}

describe('floor plan', () => {
  const server = importsOf('packages/server/src').filter(({ from }) => !isTest(from))
  const inside = server.filter(({ to }) => to.startsWith('.'))

  it('has found the imports', () => assert.ok(server.length > 100))

  for (const [name, { walk, ground }] of Object.entries(HOUSES)) {
    const rankOf = (room: string): number => walk.findIndex((rooms) => rooms.includes(room))
    const isGround = (file: string): boolean => ground.includes(roomOf(file))
    const lines = importsOf(`packages/${name}/src`).filter(({ from, to }) => !isTest(from) && to.startsWith('.'))
    const told = (wrong: Import[]): string[] => wrong.map(({ from, to }) => `${from} imports ${to}`)

    it(`knows every room of the ${name}`, () => {
      const rooms = new Set(lines.map(({ from }) => roomOf(from)))
      assert.deepEqual(
        [...rooms].filter((room) => rankOf(room) === -1 && !ground.includes(room)),
        [],
      )
    })

    it(`lets imports of the ${name} point only forward`, () => {
      const back = lines.filter((line) => {
        const [from, to] = [roomOf(line.from), roomOf(resolved(line))]
        return from !== to && !ground.includes(from) && !ground.includes(to) && rankOf(to) < rankOf(from)
      })
      assert.deepEqual(told(back), [])
    })

    it(`keeps the ground floor of the ${name} to itself`, () => {
      assert.deepEqual(told(lines.filter((line) => isGround(line.from) && !isGround(resolved(line)))), [])
    })
  }

  it('lets relay.yml import its parts, and no part the whole', () => {
    const back = inside.filter((line) => {
      const [from, to] = [line.from, resolved(line)].map((file) => WRITTEN.indexOf(roomOf(file)))
      return from !== -1 && to !== -1 && to! < from! // both exist
    })
    assert.deepEqual(
      back.map(({ from, to }) => `${from} imports ${to}`),
      [],
    )
  })

  it('keeps folders small enough to overlook', () => {
    const sources = globSync('packages/{server,agent,protocol}/src/**/*.ts', { cwd: root }).filter(
      (file) => !isTest(file),
    )
    const folders = Map.groupBy(sources, (file) => dirname(file))
    assert.deepEqual(
      [...folders]
        .filter(([, files]) => files.length > FILES_MAX)
        .map(([folder, files]) => `${folder}: ${files.length}`),
      [],
    )
  })

  it('matches docs/architecture.md', () => {
    const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
    const listed = [...page.matchAll(/^\| \[`[\w-]+\/`\]\(\.\.\/(packages\/\w+\/src\/[\w-]+)\)/gm)].map(
      ([, folder]) => folder,
    )
    const there = globSync('packages/{server,agent,protocol}/src/*/', { cwd: root })
      .filter((folder) => globSync(`${folder}/*.ts`, { cwd: root }).some((file) => !isTest(file)))
      .map((folder) => folder.split(sep).join('/'))
    assert.deepEqual(listed.toSorted(), there.toSorted())
  })

  it('has no source that is too long to read in one go (the house, 1)', () => {
    const sources = globSync('packages/{server,agent,protocol}/src/**/*.ts', { cwd: root }).filter(
      (file) => !isTest(file),
    )
    const lengths = sources.map((file) => ({
      file,
      lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1,
    }))
    assert.deepEqual(
      lengths.filter(({ lines }) => lines > LINES_MAX).map(({ file, lines }) => `${file}: ${lines}`),
      [],
    )
  })

  for (const { room, ranks } of roomsInside()) {
    const folder = join('packages', 'server', 'src', room)
    const innerOf = (file: string): string => (dirname(file) === folder ? 'front' : file.split(sep)[4]!) // a file of it
    const rankOf = (inner: string): number => ranks.findIndex((rooms) => rooms.includes(inner))

    it(`draws the rooms inside ${room}/, whose imports point forward (the house, 1)`, () => {
      const there = globSync(`${folder}/*/`, { cwd: root }).map((path) => basename(path))
      assert.deepEqual(ranks.flat().toSorted(), ['front', ...there].toSorted())
      const back = inside.filter((line) => {
        const to = resolved(line)
        if (![line.from, to].every((file) => file.startsWith(folder + sep))) return false
        return innerOf(line.from) !== innerOf(to) && rankOf(innerOf(line.from)) >= rankOf(innerOf(to))
      })
      assert.deepEqual(
        back.map(({ from, to }) => `${from} imports ${to}`),
        [],
      )
    })
  }

  it('draws no circle of files, types included', () => {
    const sources = ['server', 'agent', 'protocol'].flatMap((name) => importsOf(`packages/${name}/src`))
    const lines = sources.filter(({ from, to }) => !isTest(from) && to.startsWith('.'))
    const behind = Map.groupBy(lines, ({ from }) => from)
    assert.deepEqual(
      circlesIn((file) => (behind.get(file) ?? []).map(resolved), [...behind.keys()]),
      [],
    )
  })

  it('keeps actions apart from each other, and the engine from all of them', () => {
    const partOf = (file: string): string => relative(POLICY, file).split(sep).slice(0, -1)[0] ?? ''
    const crossing = inside.filter((line) => {
      const [from, to] = [line.from, resolved(line)]
      if (roomOf(from) !== 'policy' || roomOf(to) !== 'policy' || partOf(from) === partOf(to)) return false
      return partOf(from) === ENGINE || (partOf(from) !== '' && partOf(to) !== '' && !SHARED_BY_ACTIONS.has(partOf(to)))
    })
    assert.deepEqual(
      crossing.map(({ from, to }) => `${from} imports ${to}`),
      [],
    )
  })

  it('lets only the engine import the libraries of expressions', () => {
    const strangers = server.filter(
      ({ from, to }) =>
        /^(?:@marcbachmann\/cel-js|re2js|bowser|isbot)\b/.test(to) && !from.startsWith(join(POLICY, ENGINE, '')),
    )
    assert.deepEqual(strangers, [])
  })

  it('lets only oidc and the action that validates tokens import openid-client and jose', () => {
    const strangers = server.filter(
      ({ from, to }) =>
        /^(?:openid-client|jose)\b/.test(to) &&
        roomOf(from) !== 'oidc' &&
        !from.includes(join('policy', 'jwt-validation')),
    )
    assert.deepEqual(strangers, [])
  })

  it('opens the store through its one door, in tests and benchmarks too (the house, 7)', () => {
    const folders = ['packages/server/src', 'test', 'bench']
    const door = join('packages', 'server', 'src', 'store', 'open-store.ts')
    const engines = join('packages', 'server', 'src', 'store', 'sqlite') + sep
    const known = folders
      .flatMap((folder) => importsOf(folder))
      .filter((line) => line.to.startsWith('.') && resolved(line).startsWith(engines) && !line.from.startsWith(engines))
    assert.deepEqual([...new Set(known.map(({ from }) => from))], [door])
  })

  it('lets agent and server be imported together only in tests', () => {
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

  it('lets nobody import from the examples (the house, 1)', () => {
    const lines = ['packages/*/src', 'test', 'bench', 'scripts'].flatMap((folder) => importsOf(folder))
    assert.deepEqual(
      lines.filter(({ to }) => to.includes('examples/') || to.startsWith('@sallyport/example')),
      [],
    )
  })

  it('imports only types from node:http itself, which costs 13 MB', () => {
    const sources = globSync('packages/{server,agent,protocol}/src/**/*.ts', { cwd: root }).filter(
      (file) => !isTest(file),
    )
    const values = sources.filter((file) =>
      /^(?:import|export) (?!type\b)[^'"]*? from 'node:http'/m.test(readFileSync(join(root, file), 'utf8')),
    )
    assert.deepEqual(values, [])
  })

  it('imports the protocol package through its one door, except for code that runs before or beside it', () => {
    const behind = [...server, ...importsOf('packages/agent/src')].filter(
      ({ to }) =>
        to.startsWith('@sallyport/') &&
        !/^@sallyport\/protocol(\/config-error|\/expand-env|\/found-problem|\/make-folder|\/log-output|\/tune-v8|\/node-http|\/print-yaml|\/printable|\/signals|\/started-as|\/unforeseen|\/yaml-file)?$/.test(
          to,
        ),
    )
    assert.deepEqual(behind, [])
  })
})
