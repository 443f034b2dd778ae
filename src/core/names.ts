// The forms of names. They depend on nothing, so that the command line and the HTTP schemas (by `.source`) share them.

/** A secret's name. */
export const secretNamePattern = /^[A-Za-z0-9_.-]{1,256}$/;

/** A platform's own id of a session: it can stand in a header and as one segment of a path, so not "." and not "..". */
export const sessionNamePattern = /^(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}$/;
