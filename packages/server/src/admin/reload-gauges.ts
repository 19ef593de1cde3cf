// Gauges for alerts: whether relay.yml was in order when it was last read, and when that was.

import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

import type { LastReload } from '../operator/reload.ts'

export function reloadGauges(registers: Registry[], lastReload: LastReload): void {
  new Gauge({
    name: 'sallyport_config_last_reload_successful',
    help: '1 if the edges of relay.yml are in use as it was last read, 0 if that reading found a problem.',
    registers,
    collect() {
      this.set(lastReload.isSuccessful ? 1 : 0)
    },
  })
  new Gauge({
    name: 'sallyport_config_last_reload_timestamp_seconds',
    help: 'When relay.yml was last read, in seconds since 1970.',
    registers,
    collect() {
      this.set(lastReload.at / 1000)
    },
  })
}
