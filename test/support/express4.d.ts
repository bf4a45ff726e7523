/** Express 4, under the types of 5: what the tests use is the same in both. */
declare module 'express4' {
  import express from 'express'
  export default express
}
