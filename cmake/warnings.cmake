# gesso_warnings(target): the warnings of our own code.
function(gesso_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
    $<$<BOOL:${GESSO_WERROR}>:-Werror>)
endfunction()
