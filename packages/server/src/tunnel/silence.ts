// Whether the other end of a session still answers, asked only while a request waits for it: if a ping is not answered
// in time, the session is suspected until the answer comes.

import type { YamuxSession } from '@sallyport/protocol'

const PROBE_DEADLINE_MS = 2000

export class Silence {
  readonly #mux: YamuxSession
  #isProbing = false
  #isSuspected = false

  constructor(mux: YamuxSession) {
    this.#mux = mux
  }

  get isSuspected(): boolean {
    return this.#isSuspected
  }

  probe(): void {
    if (this.#isProbing || !this.#mux.isOpen) return
    this.#isProbing = true
    const timer = setTimeout(() => (this.#isSuspected = true), PROBE_DEADLINE_MS)
    const settle = (): void => {
      clearTimeout(timer)
      this.#isProbing = false
      this.#isSuspected = false
    }
    // A session that dies rejects the ping; its tunnels go with it.
    this.#mux.ping().then(settle, settle)
  }
}
