/** A value that is there, or comes later. Most steps of the pipeline over the memory store have nothing to wait for. */
export type Eventual<Value> = Value | Promise<Value>

/** Goes on with a value: at once where it is there, since each promise costs as much as a small step. */
export function andThen<Value, Next>(value: Eventual<Value>, next: (value: Value) => Eventual<Next>): Eventual<Next> {
  return value instanceof Promise ? value.then(next) : next(value)
}
