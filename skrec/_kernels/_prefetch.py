"""Ask for rows of a table before they are needed, so that they are in the first-level cache when they are."""

import numba
from numba.core import cgutils, types
from numba.extending import intrinsic

from skrec._kernels._jit import kernel

_LINE = 16  # float32 numbers of a cache line


def _touch(typing_context, table, row, column):
    """Emit the processor's hint that ``table[row, column]`` will be read and written soon; it has no other effect."""
    from llvmlite import ir

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        word, byte = ir.IntType(64), ir.IntType(8).as_pointer()
        offset = word(0)
        for index, kind, stride in zip(
            arguments[1:], signature.args[1:], cgutils.unpack_tuple(builder, array.strides), strict=True
        ):
            place = context.cast(builder, index, kind, types.int64)
            offset = builder.add(offset, builder.mul(place, stride))
        address = builder.inttoptr(builder.add(builder.ptrtoint(array.data, word), offset), byte)
        flag = ir.IntType(32)
        hint = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        )
        builder.call(hint, [address, flag(1), flag(3), flag(1)])  # for writing, to the nearest cache, data
        return context.get_dummy_value()

    return types.void(table, row, column), generate


if numba.config.DISABLE_JIT:

    def prefetch_row(table, row):
        """Do nothing: only machine code has hints."""

else:
    _touch = intrinsic(_touch)

    @kernel
    def prefetch_row(table, row):
        """Ask for a row of a float32 table in C order."""
        for column in range(0, table.shape[1], _LINE):
            _touch(table, row, column)
