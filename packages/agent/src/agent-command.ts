// The word that the agent's commands begin with, in what it tells people to type.

import { isStartedAsSallyport } from '@sallyport/protocol/started-as'

export const AGENT_COMMAND = isStartedAsSallyport() ? 'sallyport' : 'agent'
