export type { Telemetry } from '../model/telemetry.js'
export { type TelemetryOptions, telemetry } from './telemetry.js'
