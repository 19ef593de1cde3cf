import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../errors.ts'
import type { RouteMatch } from '../model/edge-config.ts'
import { Edge } from './edge.ts'
import { EdgeTable } from './edge-table.ts'
import { readPath } from '../exchange/target/read-path.ts'
import type { Route } from './route.ts'

function edgeOf(...matches: RouteMatch[]): { edge: Edge; choose: (path: string) => string } {
  // These tests only choose routes; policies and backends do not run.
  const routes = matches.map((config) => ({ config }) as Route)
  const edge = new Edge({ id: 'edg_test', hosts: [], routes, originOf: (host) => `https://${host}` })
  return {
    edge,
    choose: (path) => {
      try {
        const { config } = edge.routeFor(path)
        return config.exact_path ?? `${config.path_prefix}*`
      } catch (error) {
        assert.ok(error instanceof RelayError)
        return error.code
      }
    },
  }
}

describe('Edge.routeFor', () => {
  const { choose } = edgeOf(
    { path_prefix: '/' },
    { path_prefix: '/admin' },
    { path_prefix: '/admin/public' },
    { exact_path: '/admin/health' },
  )

  it('takes exact paths first, then the longest prefix', () => {
    assert.equal(choose('/admin/health'), '/admin/health')
    assert.equal(choose('/admin/health/x'), '/admin*')
    assert.equal(choose('/admin/public/a'), '/admin/public*')
    assert.equal(choose('/admin'), '/admin*')
    assert.equal(choose('/other'), '/*')
  })

  it('ends a prefix at a segment, and is case-sensitive', () => {
    assert.equal(choose('/administrator'), '/*')
    assert.equal(choose('/Admin'), '/*')
    assert.equal(choose('/admin;x=1'), '/admin*')
  })

  it('attack 3: refuses a path that another parser would send to another route', () => {
    for (const path of [
      '/public/..%2fadmin',
      '/public/%2e%2e/admin',
      '/public/../admin',
      '//admin',
      '/.//admin',
      '/%61dmin',
      '/public/..%252fadmin',
      '/x%5c..%5cadmin',
      '/admin%2fpublic',
      '/admin/health;x',
      '/;/admin',
    ]) {
      assert.equal(choose(path), 'path_ambiguous', path)
    }
  })

  it('S3: refuses a path that a third parser would read in another way', () => {
    for (const path of [
      '/public/a%2fb/../../admin/secret',
      '/admin/public/a%2fb/../../../admin/secret',
      '/z/a%2fb/../../admin/secret',
      '/z/a%252fb/../../admin/secret',
      '/z/a%5cb/../../admin/secret',
      '/z/a%255cb/../../admin/secret',
      '/z/a%2fb/%2e%2e/%2e%2E/admin/secret',
      '/z/a%2fb/..;x=1/..;/admin/secret',
      '/z/a%2fb/..%3bx/..%253b/admin/secret',
      '/z/a%2fb/..%3fx/..%23/admin/secret',
      '/z/a%2fb/..%00x/..%20/admin/secret',
      '/z/a%2fb/.%09./%0a../admin/secret',
      '/z/a%2fb/%c0%ae%c0%ae/\xc0\xae./admin/secret',
      '/z/a%2fb/%u002e%u002e/../admin/secret',
      '/z/x/..',
      '/z/./x',
      '/.',
      '/admin/..%2fadmin/x',
    ]) {
      assert.equal(choose(path), 'path_ambiguous', path)
    }
  })

  it('S3: refuses a path in which a URL parser finds a host after two slashes', () => {
    assert.equal(new URL('//z/admin/secret', 'http://app').pathname, '/admin/secret')
    for (const path of ['//z/admin/secret', '///z/admin', '/%2fz/admin', '/%5cz/admin', '//u%2fv@z/admin', '//']) {
      assert.equal(choose(path), 'path_ambiguous', path)
    }
    assert.equal(choose('/z//admin'), '/*')
  })

  it('S3: refuses a path that ends earlier for some parsers, at another page', () => {
    for (const path of [
      '/admin/health;x',
      '/admin/health;x%2fy',
      '/admin/health%3bx%252fy',
      '/admin/health;x%5cy',
      '/admin%3fx',
      '/admin%253fx%2fy',
      '/admin%23',
      '/admin%00.png',
      '/admin%20',
      '/ad%09min',
    ]) {
      assert.equal(choose(path), 'path_ambiguous', path)
    }
  })

  it('S3: accepts dot segments if one route serves every path', () => {
    const { choose: only } = edgeOf({ path_prefix: '/' })
    for (const path of ['/a%2fb/../../c', '/./x', '//x', '/a;b%2fc', '/..%2f']) assert.equal(only(path), '/*', path)
    assert.equal(edgeOf({ path_prefix: '/app' }).choose('/app/x/../y'), 'path_ambiguous')
    assert.equal(edgeOf({ exact_path: '/app' }).choose('/./app'), 'path_ambiguous')
  })

  it('lets encoded names through if every parser agrees', () => {
    assert.equal(choose('/@scope%2fname'), '/*')
    assert.equal(choose('/caf%C3%A9/%20x'), '/*')
    assert.equal(choose('/admin/a%2fb'), '/admin*')
    assert.equal(choose('/.well-known/x'), '/*')
    assert.equal(choose('/.../..x/x../.a.'), '/*')
    assert.equal(choose('/a;v=1.2/b;w=..'), '/*')
    assert.equal(choose('/proxy/https%3A%2F%2Fexample.com%2Fx%3Fy'), '/*')
    assert.equal(choose('/proxy/https://example.com/x'), '/*')
    assert.equal(choose('/100%/%zz/%u2603'), '/*')
  })

  it('refuses escapes nested deeper than anyone means', () => {
    assert.equal(choose(`/%${'25'.repeat(20)}61dmin`), 'path_ambiguous')
  })

  it('says so if no route covers a path', () => {
    assert.equal(edgeOf({ path_prefix: '/app' }).choose('/'), 'route_not_found')
  })
})

describe('readPath', () => {
  const forms: Record<string, string> = {
    '/a/b': '/a/b',
    '/a//b': '/a/b',
    '/a/./b/': '/a/b/',
    '/a/../b': '/b',
    '/../../b': '/b',
    '/a;v=1/b;w': '/a/b',
    '/a%2Fb': '/a/b',
    '/a%5Cb': '/a/b',
    '/%252e%252e/x': '/x',
    '/..': '/',
    '/a%zz': '/a%zz',
    '/a%3fb/c': '/a',
    '/a%09b%20/c': '/ab/c',
    '/%c0%afa': '/a',
  }
  for (const [raw, normal] of Object.entries(forms)) {
    it(`reads ${raw} as ${normal}`, () => assert.equal(readPath(raw)?.normal ?? raw, normal))
  }

  it('is quick with the longest path there can be', () => {
    const begun = performance.now()
    for (const piece of ['/.', '/;%2f', '%25', ';', ';%', ';/', '/a;b', '%2f..', '\xc0\xae', ' ']) {
      readPath(piece.repeat(32_768 / piece.length))
    }
    assert.ok(performance.now() - begun < 1000)
  })
})

describe('EdgeTable', () => {
  const table = new EdgeTable()
  const exact = edgeOf({ path_prefix: '/' }).edge
  const wildcard = edgeOf({ path_prefix: '/' }).edge
  const deeper = edgeOf({ path_prefix: '/' }).edge
  table.set('docs.example.com', exact)
  table.set('*.example.com', wildcard)
  table.set('*.apps.example.com', deeper)

  it('prefers the exact host, then the closest wildcard', () => {
    assert.equal(table.at('docs.example.com'), exact)
    assert.equal(table.at('other.example.com'), wildcard)
    assert.equal(table.at('a.apps.example.com'), deeper)
    assert.equal(table.at('a.b.example.com'), wildcard)
  })

  it('attack 6: knows no host that only resembles one', () => {
    for (const host of [
      'example.com',
      'evil-example.com',
      'docs.example.com.evil',
      'evildocs.example.net',
      '__proto__',
    ]) {
      assert.throws(() => table.at(host), { code: 'edge_not_found' }, host)
    }
  })
})
