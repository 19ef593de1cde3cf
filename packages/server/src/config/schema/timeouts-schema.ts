// `timeouts:` of relay.yml, in seconds. Pure: no I/O, no clock.

import { z } from 'zod'

import { numberOf } from '../../values/value-schemas.ts'

export const timeoutsSchema = z.strictObject({
  request_head_seconds: seconds(
    15,
    'A visitor has sent the whole head of a request, or the connection is closed with 408.',
  ),
  request_stall_seconds: seconds(60, 'How long the body of a request may pause. Slow is fine, silent is not.'),
  app_reply_seconds: seconds(10, 'The agent has said whether it reached the app.'),
  app_answer_seconds: seconds(120, 'The app has sent the head of its response, or the visitor gets 504.'),
  app_stall_seconds: seconds(3600, 'How long a response that has begun may pause before it is cut.'),
  grpc_idle_seconds: seconds(
    3600,
    'How long a gRPC call to an app that speaks HTTP/2 may be silent in both directions, before its answer has begun and after; it replaces `request_stall_seconds`, `app_answer_seconds` and `app_stall_seconds`. A call with a `grpc-timeout` ends by that instead.',
  ),
  visitor_stall_seconds: seconds(
    60,
    'How long a piece of a response, 64 KiB at most, may wait for its visitor; and how long an upgraded connection may be silent once one side has ended. Over HTTP/1.1 the system reports free room late: once a third of the bytes that it holds for the connection have been read, which is about a megabyte for a proxy on the same machine.',
  ),
  upgrade_idle_seconds: seconds(3600, 'How long an upgraded connection (WebSocket) may be silent in both directions.'),
  keep_alive_seconds: seconds(75, 'How long a visitor connection waits for its next request.'),
  idle_stream_seconds: seconds(
    4,
    'How long a kept-alive stream to an app waits for its next request. Keep it below the keep-alive of the app; Node.js apps close after 5 s.',
  ),
  agent_handshake_seconds: seconds(10, 'An agent has sent its hello after the WebSocket has opened.'),
  drain_seconds: seconds(30, 'How long a stopping relay waits for exchanges to finish.'),
  provider_seconds: seconds(10, 'One request to an identity provider.'),
})

function seconds(preset: number, meaning: string) {
  // A day at most, so that no timer passes the 2^31 ms of Node.js.
  return z.preprocess(numberOf, z.number().positive().max(86_400)).default(preset).describe(meaning)
}
