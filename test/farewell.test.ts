// A relay that stops: what visitors on kept-alive connections see of it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RawClient } from './support/raw-client.ts'
import { APP_HOST, httpApp, startStack } from './support/stack.ts'

describe('a relay that stops', () => {
  const ask = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 0\r\n\r\n`

  it('serves who asks once more on a kept-alive connection, and tells them to leave', async () => {
    const stack = await startStack({ app: httpApp((request, response) => response.end(`[${request.url}]`)) })
    const client = new RawClient(stack.port)
    client.write(ask('/first'))
    assert.doesNotMatch(await client.until(/\[\/first\]/), /connection: close/i)
    const closed = stack.relay.close()
    client.write(ask('/second'))
    assert.match(await client.until(/\[\/second\]/), /connection: close/i)
    await client.untilOver()
    await closed
    await stack.close()
  })

  it('does not wait for those who have nothing to ask', async () => {
    const stack = await startStack({ app: httpApp((request, response) => response.end(`[${request.url}]`)) })
    const client = new RawClient(stack.port)
    client.write(ask('/first'))
    await client.until(/\[\/first\]/)
    await stack.relay.close()
    await client.untilOver()
    await stack.close()
  })
})
