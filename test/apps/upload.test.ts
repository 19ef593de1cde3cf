// A large upload from a browser behind sign-in, with its progress: bytes go no faster than the app takes them, and all
// of them arrive.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA } from '../support/processes.ts'
import { SignedInApp, listen } from './signed-in-app.ts'

const MEGABYTE = 1024 * 1024
const SIZE = 96 * MEGABYTE
const TAKEN_FIRST = 4 * MEGABYTE
const ON_THE_WAY_MAX = SIZE / 2 // 14 to 25 MB were seen: the buffers of four sockets on the way, and of the browser

describe('a large upload from a browser behind sign-in', { timeout: 90_000 }, () => {
  let app: SignedInApp
  let chromium: ChromiumBrowser | undefined
  const http = createServer()
  const uploading = Promise.withResolvers<IncomingMessage>()

  before(async () => {
    chromium = await ChromiumBrowser.start()
    http.on('request', (request, response) => {
      if (request.method !== 'PUT') {
        response.setHeader('content-type', 'text/html')
        return void response.end('<!doctype html><title>Upload</title>')
      }
      const hash = createHash('sha256')
      let taken = 0
      request.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        const before = taken
        taken += chunk.length
        if (before < TAKEN_FIRST && taken >= TAKEN_FIRST) {
          request.pause()
          uploading.resolve(request)
        }
      })
      request.on('end', () => response.end(`${taken} ${hash.digest('hex')}`))
    })
    app = await SignedInApp.start(await listen(http))
  })
  after(async () => {
    await chromium?.close()
    await app?.close()
    http.close().closeAllConnections()
  })

  it('shows its progress as the app takes it, and arrives complete', async (test) => {
    if (!chromium) return test.skip(NO_CHROMIUM)
    const context = await chromium.privateWindow()
    const page = await context.newPage()
    await page.goto(app.origin)
    await page.getByLabel('Username').fill(ADA.username)
    await page.getByLabel('Password').fill(ADA.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${app.origin}/`)

    // A Blob: the content of an array would be sent to the test as well, over the browser's own protocol.
    await page.evaluate(`{
      const bytes = new Uint8Array(${SIZE})
      for (let at = 0; at < bytes.length; at += ${MEGABYTE}) bytes.fill(at / ${MEGABYTE}, at, at + ${MEGABYTE})
      window.progress = []
      const request = new XMLHttpRequest()
      request.open('PUT', '/upload')
      request.upload.onprogress = ({ loaded }) => progress.push(loaded)
      request.onload = () => (window.answer = request.status + ' ' + request.responseText)
      request.onerror = () => (window.answer = 'failed')
      request.send(new Blob([bytes]))
    }`)
    const request = await uploading.promise
    // Until nothing moves any more: the app takes nothing, so the browser must stop.
    let last = -1
    for (let quiet = 0; quiet < 8;) {
      const loaded = Number(await page.evaluate('progress.at(-1) ?? 0'))
      quiet = loaded === last ? quiet + 1 : 0
      last = loaded
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    test.diagnostic(`${(last / MEGABYTE).toFixed(0)} MB of ${SIZE / MEGABYTE} had left while the app had taken 4`)
    assert.ok(last < ON_THE_WAY_MAX, `${last} bytes left while the app took ${TAKEN_FIRST}`)
    request.resume()
    await page.waitForFunction('window.answer')

    const hash = createHash('sha256')
    for (let number = 0; number < SIZE / MEGABYTE; number++) hash.update(Buffer.alloc(MEGABYTE, number))
    assert.equal(await page.evaluate('answer'), `200 ${SIZE} ${hash.digest('hex')}`)
    const progress = (await page.evaluate('progress')) as number[] // pushed above
    assert.ok(
      progress.length > 1 && progress.every((loaded, index) => loaded >= (progress[index - 1] ?? 0)),
      progress.join(),
    )
    assert.equal(progress.at(-1), SIZE)
    await context.close()
  })
})
