// Makes a listener listen, or explains to the operator why it cannot.

import type { AddressInfo } from 'node:net'

import type { ListenAddress } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { portHolder } from './port-holder.ts'

/** Listens, and turns the system's refusal into a sentence that names the key of the configuration. */
export async function listen(
  listener: { listen(): Promise<AddressInfo> },
  path: string,
  address: ListenAddress,
): Promise<AddressInfo> {
  try {
    return await listener.listen()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // net only rejects with these
    const where = `${address.host ?? '*'}:${address.port}`
    const reason =
      code === 'EADDRINUSE'
        ? `${where} is in use by ${portHolder(address) ?? 'another program'}; stop it or choose another port`
        : code === 'EACCES'
          ? `this user may not listen on ${where}; choose a port above 1023 or grant CAP_NET_BIND_SERVICE`
          : code === 'EADDRNOTAVAIL'
            ? `${where} is not an address of this machine`
            : `cannot listen on ${where}: ${code ?? String(error)}`
    throw new ConfigError([{ path, message: reason }], { cause: error })
  }
}
