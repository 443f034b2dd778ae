/**
 * Variables that the loader, shells, interpreters and common tools obey, so that their values decide what a command
 * does. A trailing `*` matches any rest.
 */
const obeyed = [
  // The loader and the C library.
  ...['LD_*', 'DYLD_*', 'GLIBC_TUNABLES', 'MALLOC_*', 'GCONV_PATH', 'LOCPATH', 'NLSPATH', 'HOSTALIASES', 'RES_OPTIONS'],
  ...['RESOLV_HOST_CONF', 'LOCALDOMAIN', 'TZDIR', 'TERMINFO*', 'TERMCAP'],
  // Shells and the user.
  ...['PATH', 'HOME', 'SHELL', 'IFS', 'ENV', 'BASH_*', 'BASHOPTS', 'SHELLOPTS', 'PS0', 'PS1', 'PS2', 'PS4', 'CDPATH'],
  ...[
    'PROMPT_COMMAND',
    'ZDOTDIR',
    'FPATH',
    'USER',
    'LOGNAME',
    'PWD',
    'OLDPWD',
    'TMPDIR',
    'TMP',
    'TEMP',
    'TERM',
    'XDG_*',
  ],
  ...['PATHEXT', 'COMSPEC', 'PSMODULEPATH'],
  // Interpreters and their package managers.
  ...['NODE_*', 'NPM_CONFIG_*', 'DENO_*', 'BUN_*', 'PYTHON*', 'PIP_*', 'PERL*', 'RUBY*', 'GEM_*', 'BUNDLE_*', 'LUA_*'],
  ...['PHPRC', 'PHP_INI_SCAN_DIR', 'CLASSPATH', 'JAVA_TOOL_OPTIONS', 'JDK_JAVA_OPTIONS', '_JAVA_OPTIONS', 'JAVA_OPTS'],
  ...[
    'MAVEN_OPTS',
    'MAVEN_ARGS',
    'GRADLE_OPTS',
    'DOTNET_STARTUP_HOOKS',
    'CORECLR_*',
    'COR_*',
    'R_*',
    'JULIA_*',
    'ERL_*',
    'TCLLIBPATH',
  ],
  ...['DOTNET_ADDITIONAL_DEPS', 'DOTNET_SHARED_STORE', 'TS_NODE_*', 'ANSIBLE_*', 'GOTOOLCHAIN', 'GOPROXY', 'GOENV'],
  ...['CPATH', 'LIBRARY_PATH', 'C_INCLUDE_PATH', 'PKG_CONFIG*', 'CMAKE_*'],
  ...[
    'GOFLAGS',
    'RUSTC_WRAPPER',
    'RUSTC_WORKSPACE_WRAPPER',
    'RUSTFLAGS',
    'CARGO_*',
    'CC',
    'CXX',
    'CFLAGS',
    'LDFLAGS',
    'MAKEFLAGS',
    'GNUMAKEFLAGS',
    'MAKEFILES',
    'RUSTC',
  ],
  ...['RSYNC_RSH', 'SVN_SSH', 'CVS_RSH', 'HG*', 'TAR_OPTIONS', 'GREP_OPTIONS', 'ZIPOPT', 'XZ_*', 'WGETRC', 'ACK_PAGER'],
  // Tools that start other programs, and trusted certificates.
  ...['GIT_*', 'SSH_ASKPASS*', 'SSH_AUTH_SOCK', 'SUDO_*', 'EDITOR', 'VISUAL', 'PAGER', 'MANPAGER', 'BROWSER', 'LESS*'],
  ...['VIMINIT', 'EXINIT', 'GVIMINIT', 'PSQL_EDITOR', 'PSQL_PAGER', 'PSQLRC', 'KUBE_EDITOR', 'INPUTRC', 'MAILCAPS'],
  ...['OPENSSL_*', 'SSL_CERT_*', 'SSLKEYLOGFILE', 'CURL_CA_BUNDLE', 'CURL_HOME', 'REQUESTS_CA_BUNDLE', 'KEYHOLD_*'],
  ...[
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'ALL_PROXY',
    'NO_PROXY',
    'FTP_PROXY',
    'DOCKER_HOST',
    'KUBECONFIG',
    'TF_CLI_*',
    'GH_PAGER',
    'AWS_CONFIG_FILE',
    'RIPGREP_CONFIG_PATH',
  ],
];

const exact = new Set(obeyed.filter((name) => !name.endsWith('*')));
const beginnings = obeyed.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));

/** Variables that programs only read, although they match a pattern above. */
const read = new Set(['NODE_ENV']);

/** Credentials, which change nothing else, although some match a pattern above, such as NODE_AUTH_TOKEN. */
const credential = /_(TOKEN|PASSWORD|PASSWD|SECRET|API_KEY|ACCESS_KEY|PAT)$/;

/** True for a variable that programs obey. Case is ignored, as for proxies and on Windows. */
export const isUnsafeName = (name: string): boolean => {
  const upper = name.toUpperCase();
  if (read.has(upper) || credential.test(upper)) return false;
  return exact.has(upper) || beginnings.some((beginning) => upper.startsWith(beginning));
};
