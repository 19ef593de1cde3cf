// A connection for tests that build an exchange by hand.

import type { Connection } from './connection.ts'

export const LOOPBACK: Connection = {
  clientIp: '127.0.0.1',
  clientPort: 50_000,
  serverIp: '127.0.0.1',
  serverPort: 80,
  startedAt: 0,
  isFromProxy: false,
  tls: undefined,
  serverName: undefined,
  tlsDemands: undefined,
  shownCertificate: undefined,
  bytesIn: 0,
  bytesOut: 0,
  end() {},
  retire() {},
}
