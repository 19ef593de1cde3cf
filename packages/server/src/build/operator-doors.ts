// The doors for the operator, service managers and load balancers: the admin listener and the operator's socket. If
// several processes share their ports, the supervisor has both, and no relay has any.

import type { AddressInfo } from 'node:net'

import { AdminListener } from '../admin/admin-listener.ts'
import type { AdminListenerInit } from '../admin/admin-listener.ts'
import type { OperatorApiInit } from '../admin/operator-api.ts'
import { OperatorSocket } from '../admin/operator-socket.ts'
import type { Config } from '../config/config.ts'
import { operatorSocketOf } from '../config/store-location.ts'
import { listen } from '../listener/listen.ts'
import type { Logger } from '../log.ts'
import type { ProcessView } from '../operator/process-view.ts'
import { keep } from './keep.ts'
import type { Readiness } from './readiness.ts'
import type { RelayAddresses } from './start-relay-init.ts'

export interface OpenAdminInit extends Pick<AdminListenerInit, 'metrics' | 'notReady' | 'log'> {
  readonly config: Config
}

/** @throws ConfigError if the address cannot be used */
export async function openAdmin(
  rooms: AsyncDisposableStack,
  { config, metrics, notReady, log }: OpenAdminInit,
): Promise<AddressInfo> {
  const { admin: address, admin_hosts: hosts } = config.listen
  const admin = new AdminListener({ address, hosts, metrics, notReady, log })
  keep(rooms, admin)
  return listen(admin, 'listen.admin', address)
}

export interface OpenOperatorSocketInit {
  readonly config: Config
  readonly startedAt: number
  readonly addresses: RelayAddresses
  readonly view: ProcessView
  readonly readiness: Readiness
  readonly reload: OperatorApiInit['reload']
  readonly log: Logger
}

/** Never rejects: a relay without the socket still serves, and says so in its log. */
export async function openOperatorSocket(rooms: AsyncDisposableStack, init: OpenOperatorSocketInit): Promise<void> {
  const { config, startedAt, addresses, view, readiness, reload, log } = init
  const listeners = shownPlaces(addresses)
  const socket = await OperatorSocket.open({
    path: operatorSocketOf(config.store.path),
    ask: async (question) => ({ answers: [view.answer(question)], silent: 0 }),
    facts: () => ({
      startedAt,
      isDraining: !readiness.isReady,
      problem: readiness.storeLoss,
      publicUrl: config.public_url,
      listeners,
      storePath: config.store.path,
    }),
    ...(reload && { reload }),
    log,
  })
  keep(rooms, socket)
}

function shownPlaces({ http, https, admin }: RelayAddresses): { http?: string; https?: string; admin?: string } {
  return {
    ...(http && { http: shownPlace(http) }),
    ...(https && { https: shownPlace(https) }),
    ...(admin && { admin: shownPlace(admin) }),
  }
}

function shownPlace({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}
