/**
 * Nothing starts in a constructor. `start` may assume that what was passed in has been started;
 * `stop` must not assume that any other part still runs, and awaits every background promise it owns.
 */
export interface Startable {
  start(): Promise<void>
  stop(): Promise<void>
}
