"""Steps that torch.compile has compiled, and what they still know."""

import inspect
from types import CodeType

from torch import nn
from torch._C._dynamo.eval_frame import reset_code
from torch._dynamo import convert_frame


def forget_compiled(*modules: nn.Module) -> None:
    """Have what was compiled of some modules compiled anew when it is called next.

    A compiled step does not look whether an attribute has come to hide a submodule: it keeps the loss it was compiled
    with. What other files define, such as a network of a library, stays compiled.

    Args:
        modules: whatever was compiled from the files of their classes is forgotten.
    """
    files = {code.co_filename for module in modules for code in _codes(type(module))}
    for reference in list(convert_frame.input_codes.seen):
        code = reference()
        if code is not None and code.co_filename in files:
            reset_code(code)


def _codes(kind: type) -> list[CodeType]:
    """Return the code of the methods of a class and its bases, but those of torch and Lightning."""
    bases = [base for base in kind.__mro__ if not base.__module__.startswith(("torch.", "lightning.", "builtins"))]
    functions = (inspect.unwrap(value) for base in bases for value in vars(base).values() if callable(value))
    return [function.__code__ for function in functions if hasattr(function, "__code__")]
