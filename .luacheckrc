-- What luacheck must know of the scripts: the globals that a server gives them. What is not here is not there, either:
-- no io, no require, and of os only the clock, which Redis 7.0 and Valkey 7 do not have.
stds.server = {
   globals = {},
   read_globals = {
      "KEYS", "ARGV", "cjson", "_G",
      redis = {
         fields = {"call", "pcall", "error_reply", "acl_check_cmd"},
      },
      os = {fields = {"clock"}},
      "assert", "error", "ipairs", "next", "pairs", "pcall", "rawget", "rawset", "select", "tonumber", "tostring", "type",
      "unpack",
      math = {fields = {"abs", "ceil", "floor", "huge", "max", "min", "modf"}},
      string = {fields = {"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse",
                          "sub", "upper"}},
      table = {fields = {"concat", "insert", "remove", "sort"}},
   },
}
std = "server"
max_line_length = 130
ignore = {
   "211/[A-Z_]+", -- a constant that a part defines and this script does not need
   "43", -- a parameter of a function that is named like a local of the script: what else, when it is the same thing?
}
-- what Footfall puts before a script defines it (footfall.store.scripts.commands)
files["check_commands.lua"] = {read_globals = {"denied"}}
