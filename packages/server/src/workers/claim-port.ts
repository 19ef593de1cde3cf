// Claims a port that several processes will share.

import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

import type { ListenAddress } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { listen } from '../listener/listen.ts'

/**
 * Checks that no other process listens at an address; the workers, which share it, could not notice.
 * @returns the port, chosen by the system if it was 0
 * @throws ConfigError if the address is in use, or if the system cannot share a port
 */
export async function claimPort(path: string, address: ListenAddress): Promise<number> {
  const server = createServer()
  const claimed = await listen(
    {
      listen: () =>
        new Promise<AddressInfo>((resolve, reject) => {
          server.once('error', reject)
          server.listen({ ...address, exclusive: true }, () => resolve(server.address() as AddressInfo)) // on a port
        }),
    },
    path,
    address,
  )
  await new Promise((resolve) => server.close(resolve))
  await refuseWithoutSharing({ ...address, port: claimed.port })
  return claimed.port
}

async function refuseWithoutSharing(address: ListenAddress): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ ...address, reusePort: true }, resolve)
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error // net only rejects with these
    const message = 'this system cannot share a port between processes (SO_REUSEPORT); use 1 worker'
    throw new ConfigError([{ path: 'workers', message }], { cause: error })
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}
