// The look of pages: of the relay, and of an edge.

import type { Config } from '../config/config.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import { makeLook, type Look } from '../pages/look.ts'
import type { Logos } from '../pages/read-logos.ts'

/** @param edge the edge of the pages; undefined for pages outside edges */
export function lookOf(config: Config, edge: EdgeConfig | undefined, logos: Logos): Look {
  const pages = { ...config.pages, ...edge?.pages }
  const logo = pages.logo_file === undefined ? undefined : logos.get(pages.logo_file)
  return makeLook(pages, edge?.page_details ?? config.page_details, logo)
}
