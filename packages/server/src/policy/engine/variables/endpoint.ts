// `endpoint`: the edge that got the request. ngrok docs: "Endpoint Variables". Pure: no I/O, no clock.

import type { EndpointFacts } from '../facts.ts'
import { defineRecord, value } from './record.ts'

export const ENDPOINT = defineRecord<EndpointFacts>('sallyport.Endpoint', {
  addr: value('string', 'host and port, for example `docs.example.com:443`', ({ host, port }) => `${host}:${port}`),
  host: value('string', 'the host, without a port', ({ host }) => host),
  id: value('string', 'the id of the edge', ({ id }) => id),
  port: value('int', 'the port; 443 or 80 if the address has none', ({ port }) => BigInt(port)),
  protocol: value('string', 'the protocol: `http`, `https`, `tcp` or `tls`', ({ protocol }) => protocol),
  url: value('string', 'the address of the edge, for example `https://docs.example.com`', ({ url }) => url),
})
