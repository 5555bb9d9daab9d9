export const root: string
/** Whether what was built is to be run. */
export function isCurrent(): boolean
