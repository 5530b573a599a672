export interface SignalOptions {
  signal: AbortSignal
}
