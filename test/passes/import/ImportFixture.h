//===- ImportFixture.h - Imports an archive of make_archives.py -*- C++ -*-===//
#ifndef REGIMEN_TEST_PASSES_IMPORT_IMPORTFIXTURE_H
#define REGIMEN_TEST_PASSES_IMPORT_IMPORTFIXTURE_H

#include "dialects/aten/AtenOps.h"
#include "dialects/train/TrainDialect.h"
#include "formats/Error.h"
#include "passes/import/ImportPt2.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Diagnostics.h"
#include <gtest/gtest.h>

namespace regimen {

class ImportTest : public testing::Test {
protected:
  ImportTest() {
    context.loadDialect<aten::AtenDialect, train::TrainDialect, mlir::arith::ArithDialect>();
    context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
      diagnostics.push_back(diagnostic.str());
      return mlir::success();
    });
  }

  void importArchive(const std::string &name, passes::ImportOptions options = {}) {
    pt2::Archive archive = pt2::Archive::open(REGIMEN_IMPORT_ARCHIVES "/" + name + ".pt2");
    module = passes::importProgram(archive, pt2::ExportedProgram::load(archive), options, context);
    ASSERT_TRUE(module) << (diagnostics.empty() ? "" : diagnostics.back());
  }

  /// The message of the Error that importing throws, "" if it throws none.
  std::string errorOf(const std::string &name, passes::ImportOptions options = {}) {
    try {
      importArchive(name, options);
    } catch (const Error &error) {
      return error.what();
    }
    return "";
  }

  train::ProgramOp program() { return *module->getOps<train::ProgramOp>().begin(); }
  mlir::Block &body() { return program().getBody().front(); }

  template <typename Op> llvm::SmallVector<Op> all() {
    auto range = body().getOps<Op>();
    return {range.begin(), range.end()};
  }
  template <typename Op> Op only() {
    auto ops = all<Op>();
    EXPECT_EQ(ops.size(), 1u);
    return ops.empty() ? Op() : ops.front();
  }
  template <typename Op> Op symbol(llvm::StringRef name) {
    return mlir::dyn_cast_or_null<Op>(mlir::SymbolTable::lookupSymbolIn(*module, name));
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> diagnostics;
};

} // namespace regimen

#endif // REGIMEN_TEST_PASSES_IMPORT_IMPORTFIXTURE_H
