/** The version of Keras whose files these are: it was read from and written for by hand, and checked against. */
export const kerasVersion = '3.15.1'
