// A relay that has set up none of the data that expressions may read.

import type { Sources } from './sources.ts'

export const NO_SOURCES: Sources = { region: undefined, lookups: {}, secret: () => undefined }
