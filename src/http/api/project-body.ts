import { z } from 'zod'

const setting = z.union([z.string().max(1024), z.null()])

/**
 * Harbor's ProjectReq, every field of it; for what this version does not do, only the value that means
 * nothing is taken, so that nobody believes in a limit or an exception that isn't kept.
 */
export const newProject = z.strictObject({
  project_name: z.string().max(255).optional(),
  /** From before `metadata.public`. */
  public: z.boolean().nullish(),
  metadata: z.record(z.string().max(64), setting).nullish(),
  storage_limit: z
    .number()
    .refine((limit) => limit === -1 || limit === 0, 'quotas are not in this version: leave it out, or -1')
    .nullish(),
  registry_id: z.null('proxy projects are not in this version').optional(),
  cve_allowlist: z
    .strictObject({
      id: z.number().optional(),
      project_id: z.number().optional(),
      expires_at: z.number().nullish(),
      items: z.array(z.unknown()).max(0, 'allowlists are not in this version').nullish(),
      creation_time: z.string().optional(),
      update_time: z.string().optional(),
    })
    .nullish(),
})

/** The settings a request names; `metadata.public` counts before the older field. */
export function settingsOf(body: z.infer<typeof newProject>): Map<string, string> {
  const settings = new Map<string, string>()
  if (typeof body.public === 'boolean') settings.set('public', String(body.public))
  for (const [key, value] of Object.entries(body.metadata ?? {})) {
    if (value !== null) settings.set(key, value)
  }
  return settings
}
