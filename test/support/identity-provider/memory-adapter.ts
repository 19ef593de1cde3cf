// The memory of the identity provider: models of `oidc-provider` in one Map, with a bound.

import type { Adapter, AdapterPayload } from 'oidc-provider'

const MAX_STORED_ITEMS = 50_000 // a bench signs in often, and memory must stay bounded

/** The models of one provider: beyond the bound the oldest is removed. */
export function memoryAdapter(): (model: string) => Adapter {
  const items = new Map<string, { payload: AdapterPayload; expires: number }>()
  const read = (key: string): AdapterPayload | undefined => {
    const item = items.get(key)
    if (!item || item.expires > Date.now()) return item?.payload
    items.delete(key)
    return undefined
  }
  const findBy = (model: string, field: 'uid' | 'userCode', value: string): AdapterPayload | undefined => {
    for (const [key, { payload }] of items) {
      if (key.startsWith(`${model}:`) && payload[field] === value) return read(key)
    }
    return undefined
  }
  return (model) => ({
    async upsert(id, payload, expiresIn) {
      items.delete(`${model}:${id}`)
      items.set(`${model}:${id}`, { payload, expires: expiresIn ? Date.now() + expiresIn * 1000 : Infinity })
      for (const oldest of items.keys()) {
        if (items.size <= MAX_STORED_ITEMS) break
        items.delete(oldest)
      }
    },
    find: async (id) => read(`${model}:${id}`),
    findByUid: async (uid) => findBy(model, 'uid', uid),
    findByUserCode: async (userCode) => findBy(model, 'userCode', userCode),
    async consume(id) {
      const payload = read(`${model}:${id}`)
      if (payload) payload.consumed = Math.floor(Date.now() / 1000)
    },
    async destroy(id) {
      items.delete(`${model}:${id}`)
    },
    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of items) {
        if (key.startsWith(`${model}:`) && payload.grantId === grantId) items.delete(key)
      }
    },
  })
}
