/** A value, or a promise of it. With the memory store most steps of the pipeline need not wait. */
export type Eventual<Value> = Value | Promise<Value>

/** Calls `next` with the value: immediately if it is not a promise, because a promise costs as much as a small step. */
export function andThen<Value, Next>(value: Eventual<Value>, next: (value: Value) => Eventual<Next>): Eventual<Next> {
  return value instanceof Promise ? value.then(next) : next(value)
}
