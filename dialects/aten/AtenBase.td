//===- AtenBase.td - The aten dialect: names and semantics of core ATen ---===//
//
// In:  what torch.export prints, one op per ATen overload, functional, static shapes.
// Out: the same math, lowered to the concrete kernels that PyTorch's autograd runs, with its backward.
//
//   %y = aten.addmm(%bias, %x, %w) : (tensor<4xf32>, tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
//   %z = aten.softmax.int(%y) {dim = -1 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
//
// Include order: AtenBase -> AtenOps (generated from torch's own schemas) -> rules/*.td (one table per concern).
//
//===----------------------------------------------------------------------===//

#ifndef REGIMEN_DIALECTS_ATEN_BASE
#define REGIMEN_DIALECTS_ATEN_BASE

include "dialects/aten/AtenInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Aten_Dialect : Dialect {
  let name = "aten";
  let cppNamespace = "::regimen::aten";
  let summary = "Model math with the names and semantics of core ATen";
  let description = [{
    Every op is one ATen overload. Tensor and Scalar arguments of the schema are operands, all others attributes named
    as in the schema; an omitted argument is absent and means the schema's default. Tensors are ranked with static
    shapes. `aten.view` is a logical reshape: whether it can alias is decided with the layout.
  }];
  let hasConstantMaterializer = 1;
}

/// A tensor of an ATen dtype.
def Aten_Tensor : RankedTensorOf<[F64, F32, F16, BF16, I64, I32, I16, I8, UI8, I1]>;

/// A Python number: f64, i64 or bool. It takes part in type promotion weakly, as in PyTorch.
def Aten_Scalar : AnyTypeOf<[F64, I64, I1]>;

/// The op's results share storage with operand `self`.
def Aten_View : NativeOpTrait<"ViewLike"> { let cppNamespace = "::regimen::aten"; }

/// One argument of an ATen schema, in its order. `kind` names an ArgKind.
class SchemaArg<string argName, string argKind> {
  string name = argName;
  string kind = argKind;
}

class Aten_Op<string mnemonic, list<Trait> traits = []>
    : Op<Aten_Dialect, mnemonic,
         !listconcat([Pure, DeclareOpInterfaceMethods<Aten_OpInterface>,
                      DeclareOpInterfaceMethods<InferTypeOpInterface>], traits)> {
  /// The schema's arguments in order, those without operand or attribute included.
  list<SchemaArg> schemaArgs = [];
  let hasCustomAssemblyFormat = 1;
  let extraClassDefinition = [{
    ::mlir::ParseResult $cppClass::parse(::mlir::OpAsmParser &parser, ::mlir::OperationState &state) {
      return ::regimen::aten::parseAtenOp(parser, state, getSchema());
    }
    void $cppClass::print(::mlir::OpAsmPrinter &printer) {
      ::regimen::aten::printAtenOp(printer, *this, getSchema());
    }
  }];
}

#endif // REGIMEN_DIALECTS_ATEN_BASE
