// The action `openid-connect` with alternatives: a session of any of its sign-ins is enough; visitors without one
// choose.

import type { Action } from '../../exchange/action.ts'
import { choicePage } from './choice-page.ts'
import type { Registration } from '../registration/registration.ts'
import type { SessionAction } from './require-session.ts'
import { returnTo } from '../sign-in/return-to.ts'
import { failWithPage } from '../sign-in/sign-in-page.ts'
import { refuseWithoutSession, signInRequired } from './sign-in-required.ts'

export interface SignInWay {
  registration: Registration
  action: SessionAction
}

/** @param ways in the order of the configuration; the first with an allowed session is taken */
export function requireAnySession(ways: readonly SignInWay[]): Action {
  const registrations = ways.map(({ registration }) => registration)
  return async (exchange, next) => {
    let refusal: (() => void) | undefined
    const attempt = async (index: number): Promise<void> => {
      const way = ways[index]
      if (way) {
        return way.action(exchange, next, (refuse) => {
          refusal ??= refuse
          return attempt(index + 1)
        })
      }
      if (refusal) return refusal()
      exchange.identity = undefined
      if (!exchange.isNavigation) return refuseWithoutSession(exchange)
      const { texts } = exchange
      const body = choicePage(registrations, returnTo(exchange.visitorTarget, exchange.origin), texts)
      failWithPage(exchange, signInRequired(exchange.edgeId), { body, title: texts.choose.title, footer: '' })
    }
    await attempt(0)
  }
}
