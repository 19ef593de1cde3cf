// `conn`: the visitor's connection. ngrok docs: "Connection Variables". Pure: no I/O, no clock.

import type { ConnectionFacts, Lookups, TlsFacts } from '../facts.ts'
import { HTTP_PHASES } from '../phase.ts'
import { ADDRESS, type AddressFacts, GEO } from './address.ts'
import { CLIENT_CERTIFICATE, SERVER_CERTIFICATE } from './certificate.ts'
import { defineRecord, part, refused, textWithFields, value } from './record.ts'

export interface ConnectionView {
  readonly connection: ConnectionFacts
  readonly lookups: Lookups
}

const TIMES = defineRecord<ConnectionView>('sallyport.ConnectionTimes', {
  start: value('timestamp', 'when the visitor connected', ({ connection }) => new Date(connection.startedAt)),
})

const TLS = defineRecord<ConnectionView>('sallyport.Tls', {
  version: value(
    'string',
    'the version of TLS, `1.2` or `1.3`; empty without TLS',
    (view) => tlsOf(view)?.version ?? '',
  ),
  cipher_suite: value(
    'string',
    'the cipher suite, for example `TLS_AES_128_GCM_SHA256`',
    (view) => tlsOf(view)?.cipherSuite ?? '',
  ),
  sni: value('string', 'the host name that the visitor asked for', (view) => tlsOf(view)?.sni ?? ''),
  negotiated_alpn: value(
    'string',
    'the protocol that both ends agreed on: `h2`, `http/1.1`, or empty',
    (view) => tlsOf(view)?.alpn ?? '',
  ),
  session_resumed: value(
    'bool',
    'whether the visitor resumed an earlier TLS session',
    (view) => tlsOf(view)?.sessionResumed ?? false,
  ),
  client: part(
    CLIENT_CERTIFICATE,
    'the certificate of the visitor; absent without one',
    (view) => tlsOf(view)?.client,
    { units: 500 },
  ),
  server: part(SERVER_CERTIFICATE, 'the certificate of this relay; absent without TLS', (view) => tlsOf(view)?.server, {
    units: 500,
  }),
  ja4_fingerprint: refused('conn.tls.ja4_fingerprint is not known to this relay'),
})

export const CONNECTION = defineRecord<ConnectionView>('sallyport.Connection', {
  client_ip: textWithFields(
    ADDRESS,
    'the address of the visitor',
    ({ connection }) => connection.clientIp,
    ({ connection, lookups }): AddressFacts => ({ address: connection.clientIp, lookups }),
  ),
  server_ip: textWithFields(
    ADDRESS,
    'the address of this relay',
    ({ connection }) => connection.serverIp,
    ({ connection, lookups }): AddressFacts => ({ address: connection.serverIp, lookups }),
  ),
  client_port: value('int', 'the port at the visitor’s end', ({ connection }) => BigInt(connection.clientPort)),
  server_port: value('int', 'the port of this relay', ({ connection }) => BigInt(connection.serverPort)),
  server_region: value('string', 'the region of this relay, for example `eu`', ({ connection }) => connection.region, {
    needs: 'region',
  }),
  bytes_in: value(
    'int',
    'the bytes received on this connection so far',
    ({ connection }) => BigInt(connection.bytesIn),
    { phases: HTTP_PHASES },
  ),
  bytes_out: value('int', 'the bytes sent on this connection so far', ({ connection }) => BigInt(connection.bytesOut), {
    phases: HTTP_PHASES,
  }),
  ts: part(TIMES, 'times', (view) => view),
  geo: part(GEO, 'where the visitor is', ({ connection, lookups }) => ({ address: connection.clientIp, lookups }), {
    needs: 'city_file',
    units: 300,
  }),
  tls: part(TLS, 'the TLS of the connection', (view) => view, { units: 30 }),
  k8s: refused('conn.k8s is not known to this relay'),
})

function tlsOf({ connection }: ConnectionView): TlsFacts | undefined {
  return connection.tls
}
