/** Express 4, installed beside Express 5; as far as the tests use them, their types are the same. */
declare module 'express4' {
  export { default } from 'express'
}
