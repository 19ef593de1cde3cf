// The ports of local mode: 8080 and 4041, or others if a program has one of them already. A person who tries the relay
// out has no configuration in which to choose another port.

import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

import { LOCAL_HOST, LOCAL_PORTS } from '../config/load-config.ts'
import type { LocalPorts } from '../config/load-config.ts'
import { portHolder } from '../listener/port-holder.ts'

const NEIGHBOURS = 10 // easy to remember; after these any port

/** @param tell gets a sentence for each taken port */
export async function findLocalPorts(tell: (sentence: string) => void): Promise<LocalPorts> {
  return {
    http: await findPort(LOCAL_PORTS.http, tell),
    admin: await findPort(LOCAL_PORTS.admin, tell),
  }
}

async function findPort(wanted: number, tell: (sentence: string) => void): Promise<number> {
  if (await isFree(wanted)) return wanted
  const holder = portHolder({ host: LOCAL_HOST, port: wanted }) ?? 'another program'
  for (let port = wanted + 1; port <= wanted + NEIGHBOURS; port++) {
    if (!(await isFree(port))) continue
    tell(`Port ${wanted} is in use by ${holder}, taking ${port} instead.`)
    return port
  }
  const port = (await tryPort(0)) ?? wanted // the listener reports an error that affects every port
  tell(`Port ${wanted} is in use by ${holder}, taking ${port} instead.`)
  return port
}

/** The listener reports any other error of the system. */
async function isFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined
}

/** @returns the port that was free a moment ago; undefined if it is in use */
function tryPort(port: number): Promise<number | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE' ? undefined : port))
    server.listen({ port, host: LOCAL_HOST, exclusive: true }, () => {
      const { port: actual } = server.address() as AddressInfo // it listens on TCP
      server.close(() => resolve(actual))
    })
  })
}
